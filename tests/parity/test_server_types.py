"""All server types give equal answers, and no error that nobody declared.

First generated requests, then the grid: model folders meet all shapes of requests. One module, so
that its tests share the servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.contract.serving import Served
from tests.parity.conftest import OpenFleet
from tests.parity.malformed import malformed
from tests.parity.served import GRID, LONG_GRID, WITNESS, Fleet
from tests.parity.shapes import below, shapes
from tests.parity.strategies import KINDS, Kind
from tests.parity.tally import IS_LONG, MALFORMED, Tally
from tests.parity.wire import Sent

#: Generated requests of the short form, in which each folder meets every fourth shape.
SHORT, SHORT_STEP = 400, 4
MOST_SHOWN = 20
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


def shapes_for(place: int, tally: Tally) -> list[Sent]:
    """The shapes that the folder at that place of the grid meets."""
    if not tally.is_long:
        return list(shapes()[place % SHORT_STEP :: SHORT_STEP])
    if place < len(GRID):
        return list(shapes())
    # what has no body is hardly about the model: each folder meets another part of it
    bare = [sent for sent in shapes() if not sent.body]
    return [sent for sent in shapes() if sent.body] + bare[place % SHORT_STEP :: SHORT_STEP]


@pytest.mark.parametrize("name", LONG_GRID if IS_LONG else GRID)
def test_server_types_answer_every_shape_alike(
    name: str, fleets: Fleets, open_fleet: OpenFleet, tally: Tally
):
    served = LONG_GRID[name]
    prefix = dict(served.environment).get("URL_PREFIX", "")
    chosen = shapes_for(list(LONG_GRID).index(name), tally)
    # servers of further folders are stopped at once
    with nullcontext(fleets(served)) if name in GRID else open_fleet(served) as fleet:
        tally.show(f"grid: {name}")
        found = [
            f"{sent}: {fault}"
            for sent in chosen
            for fault in tally.compare(fleet, below(prefix, sent), f"grid: {name}")
        ]
    assert not found, "\n".join([f"{len(found)} faults, the first of them:", *found[:MOST_SHOWN]])


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
