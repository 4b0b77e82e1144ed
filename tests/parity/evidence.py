"""Writes what a long run has shown into docs/PARITY.md, and the tables of what may differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.parity.differences import CHOSEN, ERRORS, declared
from tests.parity.tally import NEXT_KIND, Tally

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- parity:run:begin -->", "<!-- parity:run:end -->"
LIBRARIES = (
    "flask",
    "werkzeug",
    "gunicorn",
    "gevent",
    "fastapi",
    "starlette",
    "uvicorn",
    "httptools",
    "pandas",
    "pyarrow",
    "hypothesis",
    "deepdiff",
)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def allowed_tables() -> list[str]:
    """The differences that are allowed, and the errors of servers that are right."""
    rows = [(each.where, each.instead, each.why) for each in declared()]
    errors = [(str(error.status), error.why) for error in ERRORS]
    return [
        *table(("What may differ", "How it is compared", "Why"), rows),
        "",
        "All other statuses from 500 on, and every `internal error`, are failures:",
        "",
        *table(("Status", "When it is right"), [*errors, ("500 to 599", CHOSEN)]),
    ]


def run_lines(tally: Tally) -> list[str]:
    """What a run has asked and was answered."""
    fronts = list(dict.fromkeys(name for _, name in tally.requests))
    kinds = list(dict.fromkeys(kind for kind, _ in tally.requests))
    requests = [[kind, *(tally.requests[kind, name] for name in fronts)] for kind in kinds]
    generated = [
        sum(tally.requests[kind, name] for kind in kinds if is_generated(kind)) for name in fronts
    ]
    totals = [sum(tally.requests[kind, name] for kind in kinds) for name in fronts]
    seen = Counter(status for _, status in tally.statuses)
    statuses = [[one, *(tally.statuses[name, one] for name in fronts)] for one in sorted(seen)]
    errors = [(status, why, count) for (status, why), count in sorted(tally.errors.items())]
    return [
        *about(tally),
        "",
        *table(
            ("Requests", *fronts),
            [*requests, ["**generated**", *generated], ["**all**", *totals]],
        ),
        "",
        *table(("Status", *fronts), statuses),
        "",
        *table(("Errors of servers", "Declared as", "Answers on all server types"), errors),
    ]


def is_generated(kind: str) -> bool:
    """Was it made by hypothesis? The grid is not, nor is what follows an error."""
    return kind != NEXT_KIND and not kind.startswith("grid: ")


def about(tally: Tally) -> list[str]:
    """When, of what and how."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        f"* Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit `{tally.commit}`",
        f"* Command: `SEED={tally.seed} REQUESTS={tally.wanted} make parity`",
        f"* Time: {tally.seconds:.0f} s",
        f"* Versions: {versions}",
        f"* Differences: **{tally.differences}**",
    ]


def write(document: Path, lines: Sequence[str]) -> None:
    """Put lines between the marks of a page; ValueError if it has none."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document.name} has no marks {BEGIN} and {END}; put them in")
    document.write_text("\n".join([before + begin, "", *lines, "", end + after]), encoding="utf-8")
