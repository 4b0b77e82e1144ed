"""`docs/RELIABILITY.md` has what the table of faults has, and its numbers come from a command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.chaos.table import CASES, FAULTS, case_id

PAGE = Path(__file__).resolve().parents[2] / "docs" / "RELIABILITY.md"
TABLES = re.compile(r"<!-- chaos:(\w+):begin -->(.*?)<!-- chaos:\1:end -->", re.DOTALL)


@pytest.fixture(scope="module")
def rows() -> list[str]:
    text = "\n".join(match.group(2) for match in TABLES.finditer(PAGE.read_text()))
    return [line for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_page_says_what_is_done(fault, rows):
    assert f"| **{fault.name}** | {fault.what} |" in rows


@pytest.mark.parametrize(("fault", "front"), CASES, ids=lambda value: getattr(value, "name", None))
def test_every_case_has_a_row_with_its_test(fault, front, rows):
    (row,) = [line for line in rows if line.startswith(f"| {fault.name} | {front} |")]
    assert f"[{case_id(fault, front)}]" in row


def test_page_has_no_row_of_a_case_that_is_gone(rows):
    names = {case_id(fault, front) for fault, front in CASES}
    assert set(re.findall(r"`test_service_recovers\[(.*?)\]`", "\n".join(rows))) == names


def test_text_around_the_tables_has_no_numbers():
    # but for the switch of a command
    text = TABLES.sub("", PAGE.read_text()).replace("SHORT=1", "")
    assert re.findall(r"\d+", text) == []
