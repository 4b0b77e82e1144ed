"""Generated requests get equal answers from all server types, and no error that nobody declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.contract.serving import Served
from tests.parity.conftest import OpenFleet
from tests.parity.malformed import malformed
from tests.parity.served import WITNESS, Fleet
from tests.parity.strategies import KINDS, Kind
from tests.parity.tally import MALFORMED, Tally

#: Requests of the short form.
SHORT = 700
#: Examples of one run; more would only be slower to make.
ROUND = 2000
#: Of a hundred; they come on top.
MALFORMED_SHARE = 3

Fleets = Callable[[Served], Fleet]


@pytest.fixture(scope="module")
def fleets(open_fleet: OpenFleet) -> Iterator[Fleets]:
    """The servers of a model, which are started once."""
    started: dict[Served, Fleet] = {}
    with ExitStack() as stack:

        def find(served: Served) -> Fleet:
            if served not in started:
                started[served] = stack.enter_context(open_fleet(served))
            return started[served]

        yield find


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_server_types_answer_generated_requests_alike(kind: Kind, fleets: Fleets, tally: Tally):
    wanted = -(-(tally.wanted or SHORT) * kind.share // 100)
    fleet = fleets(kind.served)

    def check(sent):
        tally.show(f"{kind.name}: {tally.count(kind.name)} of {wanted}")
        found = tally.compare(fleet, sent, kind.name, b"fail-on-purpose")
        assert not found, "\n".join([repr(sent), *found])

    explore(kind.requests, check, wanted, tally, lambda: tally.count(kind.name))


def test_production_servers_answer_malformed_requests_alike(fleets: Fleets, tally: Tally):
    wanted = -(-(tally.wanted or SHORT) * MALFORMED_SHARE // 100)
    fleet = fleets(WITNESS)

    def check(sent):
        tally.show(f"{MALFORMED}: {tally.count(MALFORMED)} of {wanted}")
        found = tally.compare_bytes(fleet, sent)
        assert not found, "\n".join([repr(sent), *found])

    explore(malformed(), check, wanted, tally, lambda: tally.count(MALFORMED))


def explore(
    requests: st.SearchStrategy,
    check: Callable,
    wanted: int,
    tally: Tally,
    count: Callable[[], int],
) -> None:
    """Check generated requests until so many were sent; the same ones for the same seed."""
    rounds = 0
    while count() < wanted:
        run = settings(
            max_examples=min(ROUND, wanted - count()),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(given(requests)(check))
        seed(tally.seed + rounds)(run)()
        rounds += 1
