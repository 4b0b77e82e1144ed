"""Timings: figures since they were last read."""

from __future__ import annotations

import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datarobot_drum.drum.observability.stats import Timings

NOTHING = dict.fromkeys(("min", "max", "avg", "total"))


def test_timings_of_nothing_are_null() -> None:
    assert Timings().take() == NOTHING


def test_timings_are_rounded_and_start_anew_when_read() -> None:
    timings = Timings()
    for seconds in (0.10004, 0.2, 0.6):
        timings.add(seconds)
    assert timings.take() == {"min": 0.1, "max": 0.6, "avg": 0.3, "total": 0.9}
    assert timings.take() == NOTHING
    timings.add(2)
    assert timings.take() == {"min": 2, "max": 2, "avg": 2, "total": 2}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=1, max_size=9))
def test_timings_agree_with_the_durations(durations: list[float]) -> None:
    timings = Timings()
    for seconds in durations:
        timings.add(seconds)
    figures = timings.take()
    assert figures["min"] == round(min(durations), 3)
    assert figures["max"] == round(max(durations), 3)
    assert figures["total"] == pytest.approx(sum(durations), abs=0.001)
    assert figures["avg"] == pytest.approx(sum(durations) / len(durations), abs=0.001)


def test_timings_that_nobody_reads_do_not_grow() -> None:
    timings = Timings()
    timings.add(0.5)
    before = sum(map(sys.getsizeof, vars(timings).values()))
    for _ in range(1000):
        timings.add(0.5)
    assert sum(map(sys.getsizeof, vars(timings).values())) - before < 100


def test_timings_lose_nothing_between_threads() -> None:
    timings = Timings()

    def add() -> None:
        for _ in range(500):
            timings.add(1)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert timings.take()["total"] == 4000
