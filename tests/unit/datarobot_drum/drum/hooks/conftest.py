"""Leaves no `custom.py` behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Forget the modules and folders that a test imported from."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in {"custom", "helper"} & (set(sys.modules) - modules | {"custom"}):
        sys.modules.pop(name, None)
