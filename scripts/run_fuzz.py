"""Runs the fuzz tests in their long form and writes what they did to docs/SECURITY_AUDIT.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "SECURITY_AUDIT.md"
BEGIN, END = "<!-- fuzz: written by scripts/fuzz -->", "<!-- end of fuzz -->"
PARSERS, REQUESTS = "tests/security/test_fuzz_parsers.py", "tests/security/test_openapi_fuzz.py"
DEFAULTS = {"FUZZ_EXAMPLES": "1500", "FUZZ_REQUESTS": "10000"}


def run(environment: dict[str, str], *tests: str) -> int:
    """Run tests; their exit code."""
    command = [sys.executable, "-m", "pytest", "-q", *tests]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def lines(rounds: list[dict[str, Any]], examples: str, seed: str) -> Iterable[str]:
    """The text between the marks: examples, and a row for each kind of model."""
    yield f"Each parser has got {examples} examples (seed {seed}), each server type these requests:"
    yield ""
    yield "| Model | Requests to each server type | Seeds | Statuses |"
    yield "| --- | --- | --- | --- |"
    for model in dict.fromkeys(one["model"] for one in rounds):
        own = [one for one in rounds if one["model"] == model]
        statuses: Counter[str] = sum((Counter(one["statuses"]) for one in own), Counter())
        told = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
        seeds = f"{own[0]['seed']} to {own[-1]['seed']}"
        yield f"| {model} | {sum(one['requests'] for one in own)} | {seeds} | {told} |"
    yield f"| all | {sum(one['requests'] for one in rounds)} | | |"


def write(text: str) -> None:
    """Put the text between the marks of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Run both; the page is written only when nothing failed."""
    seed = arguments[0] if arguments else "1"
    if not seed.isdigit() or len(arguments) > 1:
        print("usage: scripts/fuzz [SEED]", file=sys.stderr)
        return 2
    environment = {**DEFAULTS, **os.environ, "FUZZ_SEED": seed}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        report = Path(folder, "report")
        failed = run({**environment, "FUZZ_REPORT": str(report)}, PARSERS, REQUESTS)
        if failed:
            return failed
        rounds = [json.loads(line) for line in report.read_text().splitlines()]
    write("\n".join(lines(rounds, environment["FUZZ_EXAMPLES"], seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
