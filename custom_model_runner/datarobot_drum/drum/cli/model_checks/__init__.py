"""Checks of a model for `drum validation`: what is tried, the process that tries, the report."""

from __future__ import annotations
