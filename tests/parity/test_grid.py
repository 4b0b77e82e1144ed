"""Every model folder meets every shape of request, on all server types at once."""

from __future__ import annotations

import pytest
from tests.parity.conftest import OpenFleet
from tests.parity.served import GRID, LONG_GRID
from tests.parity.shapes import below, shapes
from tests.parity.tally import IS_LONG, Tally

#: In the short form each folder meets a part of the shapes, every folder another one.
SHORT_STEP = 4
MOST_SHOWN = 20


@pytest.mark.parametrize("name", LONG_GRID if IS_LONG else GRID)
def test_server_types_answer_every_shape_alike(name: str, open_fleet: OpenFleet, tally: Tally):
    served = LONG_GRID[name]
    prefix = dict(served.environment).get("URL_PREFIX", "")
    place = list(LONG_GRID).index(name)
    chosen = shapes() if tally.is_long else shapes()[place % SHORT_STEP :: SHORT_STEP]
    with open_fleet(served) as fleet:
        found = [
            f"{sent}: {fault}"
            for sent in chosen
            for fault in tally.compare(fleet, below(prefix, sent), f"grid: {name}")
        ]
    assert not found, "\n".join([f"{len(found)} faults, the first of them:", *found[:MOST_SHOWN]])
