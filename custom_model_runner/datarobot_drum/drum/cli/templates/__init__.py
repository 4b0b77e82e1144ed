"""Folders that `drum new` creates: the files, and how they are put in place."""

from __future__ import annotations
