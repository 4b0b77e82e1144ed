"""What a case leaves behind for the document: one line of JSON in a file of the run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

#: The variable that names the file; without it nothing is kept.
RESULTS = "CHAOS_RESULTS"
#: The variable that tells what was tested.
COMMIT = "CHAOS_COMMIT"


@dataclass(frozen=True)
class Record:
    """One case: a fault on a server type."""

    fault: str
    server: str
    test: str
    #: what became of the requests that met the fault, counted
    victims: dict[str, int]
    #: statuses of all others, counted
    statuses: dict[str, int]
    sent: int
    lost: int
    refused: int
    longest_pause: float
    next_answer: float
    whole: float
    #: exit codes of servers that ended and were started again
    ends: list[int]
    how: str = ""
    #: promises that were broken
    failed: list[str] = field(default_factory=list)
    date: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d}")
    commit: str = field(default_factory=lambda: os.environ.get(COMMIT, "unknown"))
    load_average: float = field(default_factory=lambda: os.getloadavg()[0])


def keep(record: Record) -> None:
    """Append a record to the file of the run, if there is one."""
    if RESULTS in os.environ:
        with Path(os.environ[RESULTS]).open("a") as file:
            file.write(json.dumps(asdict(record)) + "\n")


def records_of(path: Path) -> Iterator[Record]:
    """The records of a run."""
    for line in path.read_text().splitlines():
        yield Record(**json.loads(line))
