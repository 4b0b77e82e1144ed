"""When a worker that has died is started again."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from datarobot_drum.drum.gunicorn.restarts import MOST_FAILURES, YOUNG, Restarts


def workers(*ready: bool, age: float = 0.0) -> list[SimpleNamespace]:
    started = time.monotonic() - age
    return [SimpleNamespace(board=SimpleNamespace(ready=r), started=started) for r in ready]


def fail(restarts: Restarts, times: int = 1, *, was_ready: bool = False, age: float = 0.0) -> None:
    for _ in range(times):
        restarts.note_failure(was_ready=was_ready, started=time.monotonic() - age)


def test_first_workers_that_die_are_hopeless():
    restarts = Restarts()
    restarts.look_at(2, workers(True, False))
    fail(restarts)
    assert restarts.is_hopeless(serves=True)


@pytest.mark.parametrize("serves", [True, False])
def test_later_deaths_are_hopeless_when_they_are_many_and_nobody_serves(serves):
    restarts = Restarts()
    restarts.look_at(2, workers(True, True))
    fail(restarts, MOST_FAILURES - 1)
    assert not restarts.is_hopeless(serves=serves)
    fail(restarts)
    assert restarts.is_hopeless(serves=serves) is not serves


def test_pauses_grow_from_the_second_death_on():
    restarts = Restarts()
    fail(restarts)
    assert restarts.may_start()
    pauses = []
    for _ in range(8):
        fail(restarts)
        assert not restarts.may_start()
        pauses.append(restarts._not_before - time.monotonic())
    assert [round(pause) for pause in pauses] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_pauses_stay_the_longest_after_a_night_of_deaths():
    restarts = Restarts()
    fail(restarts, 2000)
    assert round(restarts._not_before - time.monotonic()) == 60


def test_death_after_a_good_life_does_not_count():
    restarts = Restarts()
    fail(restarts, 5, was_ready=True, age=YOUNG + 1)
    assert restarts.may_start()


def test_health_of_all_workers_makes_deaths_forgotten():
    restarts = Restarts()
    fail(restarts, 2)
    restarts.look_at(1, workers(True, age=YOUNG / 2))
    fail(restarts)
    assert not restarts.may_start()
    restarts.look_at(1, workers(True, age=YOUNG + 1))
    fail(restarts)
    assert restarts.may_start()
