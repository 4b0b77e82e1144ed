"""The command line: a table of arguments, and one module a command."""

from __future__ import annotations
