"""Write the tables of docs/RELIABILITY.md from the records of chaos: the last one of each case."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.chaos.records import Record, records_of
from tests.chaos.table import CASES, FAULTS, Fault

from measure import describe_machine
from report import markdown

HEAD = ("fault", "server", "requests that met it", "all others", "lost", "recovery", "test")


def main() -> None:
    """`write_reliability.py RECORDS DOCUMENT`."""
    records, document = map(Path, sys.argv[1:3])
    last = {(record.fault, record.server): record for record in records_of(records)}
    text = document.read_text()
    for name, content in sections(last):
        text = replaced(text, name, content)
    document.write_text(text)


def replaced(text: str, name: str, content: str) -> str:
    """The text with another content between the markers of that name."""
    begin, end = f"<!-- chaos:{name}:begin -->", f"<!-- chaos:{name}:end -->"
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{content.strip()}\n\n{end}{rest.split(end)[1]}"


def sections(last: Mapping[tuple[str, str], Record]) -> Iterator[tuple[str, str]]:
    """What stands between which markers."""
    yield "run", "\n".join(run(list(last.values())))
    faults = [(fault.name, fault.what.replace("\n", " ")) for fault in FAULTS]
    yield (
        "faults",
        markdown(("fault", "what is done"), [(f"**{name}**", what) for name, what in faults]),
    )
    for group in dict.fromkeys(fault.group for fault in FAULTS):
        rows = [
            row(fault, str(front), last.get((fault.name, str(front))))
            for fault, front in CASES
            if fault.group == group
        ]
        yield group.partition(" ")[0].strip(",").lower(), markdown(HEAD, rows)


def run(records: list[Record]) -> Iterator[str]:
    """When, where and on what they were measured, and their sum."""
    dates = sorted({record.date for record in records})
    commits = sorted({record.commit for record in records})
    yield f"* Measured: {', '.join(dates)}, commit {', '.join(commits)}"
    yield f"* Machine: {describe_machine()}"
    loads = sorted(record.load_average for record in records)
    yield (
        f"* Load average during the cases: {loads[0]:.0f} to {loads[-1]:.0f}, "
        f"median {loads[len(loads) // 2]:.0f}. Seconds in the tables grow with it; counts do not."
    )
    kept = [record for record in records if not record.failed]
    yield (
        f"* Cases: {len(CASES)}; promises kept: {len(kept)}; broken: {len(records) - len(kept)}; "
        f"without a record: {len(CASES) - len(records)}"
    )
    sent, lost = sum(r.sent for r in records), sum(r.lost for r in records)
    yield f"* Requests of the watching clients: {sent}, of which {lost} were lost"


def row(fault: Fault, server: str, record: Record | None) -> tuple[str, ...]:
    """One case."""
    if record is None:
        return (fault.name, server, "no record", "", "", "", "")
    return (
        fault.name,
        server,
        counted(record.victims) or "none",
        counted(record.statuses),
        f"{record.lost} of {record.sent}",
        recovery(record),
        f"`{record.test}`",
    )


def counted(counts: Mapping[str, int]) -> str:
    """`200 x 12, 503 x 1`."""
    return ", ".join(f"{what} × {count}" for what, count in counts.items())


def recovery(record: Record) -> str:
    """How long clients waited, and what had to be started again."""
    parts = [
        f"next 200 after {record.next_answer:.2f} s, all workers after {record.whole:.1f} s",
        f"longest pause {record.longest_pause:.2f} s",
    ]
    parts += [f"ended with {code} and was started again" for code in record.ends]
    parts += [record.how] if record.how else []
    parts += [f"**broken: {text}**" for text in record.failed]
    return "; ".join(parts)


if __name__ == "__main__":
    main()
