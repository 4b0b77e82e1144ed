"""Functions and files stay small enough to be read at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "custom_model_runner" / "datarobot_drum"
MODULES = [str(path.relative_to(PACKAGE)) for path in sorted(PACKAGE.rglob("*.py"))]


def functions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("module", MODULES)
def test_module_is_at_most_400_lines(module):
    assert len((PACKAGE / module).read_text().splitlines()) <= 400


@pytest.mark.parametrize("module", MODULES)
def test_functions_are_at_most_50_lines(module):
    source = (PACKAGE / module).read_text()
    assert [node.name for node in functions(source) if length(node) > 50] == []


@pytest.mark.parametrize("module", MODULES)
def test_module_tells_what_belongs_in_it(module):
    assert ast.get_docstring(ast.parse((PACKAGE / module).read_text()))
