"""Every line of the checklist in docs/SECURITY_AUDIT.md names a test or a command that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "SECURITY_AUDIT.md").read_text()
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def checklist() -> dict[str, str]:
    """The proof of each line, by what it says."""
    section = PAGE.partition("## Checklist\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {row[0].strip(): row[1] for row in rows[2:]}


def is_there(proof: str) -> bool:
    if proof.startswith("make "):
        return proof.removeprefix("make ") in TARGETS
    return (ROOT / proof).is_file()


@pytest.mark.parametrize("line", checklist())
def test_line_names_a_proof_that_is_there(line):
    proofs = re.findall(r"`([^`]+)`", checklist()[line])
    assert proofs != []
    assert [proof for proof in proofs if not is_there(proof)] == []


@pytest.mark.parametrize("line", checklist())
def test_mark_of_the_line_is_that_of_its_tests(line):
    for path, mark in re.findall(r"`(tests/[^`]+)`( \(\*tools\*\))?", checklist()[line]):
        needs_tools = "pytest.mark.tools" in (ROOT / path).read_text()
        assert (needs_tools, path) == (bool(mark), path)


def test_every_module_of_the_folder_is_in_the_checklist():
    modules = {path.name for path in Path(__file__).parent.glob("test_*.py")} - {
        Path(__file__).name
    }
    assert {name for name in modules if f"tests/security/{name}" not in PAGE} == set()
