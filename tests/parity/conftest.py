"""Fixtures of the comparison of server types."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from tests.conftest import ServerContext
from tests.contract.serving import Served
from tests.parity.served import ALL_FRONTS, TYPES, Fleet, fleet
from tests.parity.tally import Tally

OpenFleet = Callable[[Served], AbstractContextManager[Fleet]]


@pytest.fixture(scope="session")
def tally() -> Tally:
    """What all tests have asked and were answered."""
    return Tally.from_environment()


@pytest.fixture(scope="session")
def open_fleet(
    running_server: ServerContext, tally: Tally, tmp_path_factory: pytest.TempPathFactory
) -> OpenFleet:
    """`with open_fleet(served) as fleet:`; the long form has one front more."""
    fronts = ALL_FRONTS if tally.is_long else TYPES

    def start(served: Served) -> AbstractContextManager[Fleet]:
        return fleet(running_server, served, tmp_path_factory.mktemp("served"), fronts)

    return start
