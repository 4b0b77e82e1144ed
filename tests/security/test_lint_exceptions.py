"""Each place where a rule of bandit does not hold says why."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("custom_model_runner", "scripts", "tests", "bench", "model_templates")
EXCEPTION = re.compile(r"# noqa:.*\bS\d{3}\b(.*)")


def exceptions() -> dict[str, str]:
    """The reason of each, by its place: behind it, or in a comment above the statement."""
    return {
        f"{path.relative_to(ROOT)}:{number + 1}": match[1]
        + above(lines[max(0, number - 2) : number])
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
        for lines in [path.read_text().splitlines()]
        for number, line in enumerate(lines)
        if (match := EXCEPTION.search(line))
    }


def above(lines: list[str]) -> str:
    return "".join(line for line in lines if line.lstrip().startswith("# "))


def test_every_exception_has_a_reason():
    found = exceptions()
    assert len(found) > 10
    assert [place for place, reason in found.items() if not re.search(r"[a-z]{3}", reason)] == []


def test_rules_of_bandit_are_checked():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in options["select"]
    assert [rule for rule in options["ignore"] if rule.startswith("S")] == ["S404", "S603"]
    assert "ruff check\n" in (ROOT / "scripts" / "check").read_text()
