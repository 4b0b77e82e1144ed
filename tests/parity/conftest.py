"""Fixtures of the comparison of server types."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.conftest import ServerContext
from tests.contract.serving import Served
from tests.parity.evidence import run_lines, write
from tests.parity.served import ALL_FRONTS, TYPES, Fleet, fleet
from tests.parity.tally import Tally

OpenFleet = Callable[[Served], AbstractContextManager[Fleet]]


#: The page that a long run writes when nothing differs.
DOCUMENT = "PARITY_DOCUMENT"
TALLY = pytest.StashKey[Tally]()


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    """What all tests have asked and were answered."""
    request.config.stash[TALLY] = Tally.from_environment()
    return request.config.stash[TALLY]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Tell what a long run has shown, and write it down if nothing differs."""
    tally = terminalreporter.config.stash.get(TALLY, None)
    if tally is None or not tally.is_long:
        return
    lines = run_lines(tally)
    terminalreporter.write("\n" + "\n".join(lines) + "\n\n")
    document = os.environ.get(DOCUMENT)
    if exitstatus or not document:
        terminalreporter.write_line("docs/PARITY.md is left as it was")
    else:
        write(Path(document), lines)


@pytest.fixture(scope="session")
def open_fleet(
    running_server: ServerContext, tally: Tally, tmp_path_factory: pytest.TempPathFactory
) -> OpenFleet:
    """`with open_fleet(served) as fleet:`; the long form has one front more."""
    fronts = ALL_FRONTS if tally.is_long else TYPES

    def start(served: Served) -> AbstractContextManager[Fleet]:
        return fleet(running_server, served, tmp_path_factory.mktemp("served"), fronts)

    return start
