"""`docs/CONFORMANCE.md`, the docstrings of tests and the server types they run on agree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = range(1, 19)
CORE = "core"
#: how the identifiers of tests tell their server type
SIGNS = {
    "flask": r"\bflask\b",
    "gthread": r"\bgthread\b|\bgunicorn\b(?![- ](sync|gevent))",
    "sync": r"(?<!a)sync\b",
    "gevent": r"\bgevent\b",
    "fastapi": r"\bfastapi\b",
}


def table() -> dict[int, tuple[set[str], set[str]]]:
    """By the number of a row: its test modules, and its server types."""
    rows = {}
    for line in (ROOT / "docs" / "CONFORMANCE.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].isdigit():
            types = {name.strip() for name in cells[3].split(",")}
            rows[int(cells[0])] = set(re.findall(r"`([^`]+)`", cells[2])), types
    return rows


def named() -> dict[int, set[str]]:
    """By the number of a row: the modules whose docstrings name it."""
    rows: dict[int, set[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text()
        if "of the conformance table" not in text or path == Path(__file__):
            continue
        for number in re.findall(r"\bRow (\d+)\b", ast.get_docstring(ast.parse(text)) or ""):
            rows.setdefault(int(number), set()).add(path.relative_to(ROOT).as_posix())
    return rows


def test_every_row_is_named_by_a_test_module():
    assert sorted(named()) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_page_lists_the_modules_that_name_the_row(row):
    assert table()[row][0] == named().get(row)


@pytest.fixture(scope="module")
def identifiers() -> list[str]:
    """The tests of all these modules, as pytest calls them."""
    modules = sorted({module for modules, _ in table().values() for module in modules})
    there = [module for module in modules if (ROOT / module).exists()]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *there], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("row", ROWS)
def test_tests_of_the_row_run_on_the_server_types_of_the_page(row, identifiers):
    modules, types = table()[row]
    if types == {CORE}:
        assert all(module.startswith("tests/unit/") for module in modules)
        return
    own = [name for name in identifiers if name.partition("::")[0] in modules]
    values = [name.partition("[")[2] for name in own]
    assert types <= set(SIGNS)
    assert [
        kind for kind in sorted(types) if not any(re.search(SIGNS[kind], v) for v in values)
    ] == []
