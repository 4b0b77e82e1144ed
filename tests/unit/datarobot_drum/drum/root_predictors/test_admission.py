"""The admission gate: its counters hold under many threads."""

from __future__ import annotations

import random
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datarobot_drum.drum.errors import Overloaded
from datarobot_drum.drum.root_predictors.admission import (
    RETRY_WHEN_FULL,
    ProductionBackpressure,
)


def test_gate_counts_one_call_from_admission_to_its_end() -> None:
    gate = ProductionBackpressure(1, 2)
    gate.admit()
    assert gate.figures()["waiting"] == 1
    gate.start()
    assert (gate.figures()["waiting"], gate.figures()["running"]) == (0, 1)
    gate.finish()
    assert gate.figures() == {
        "running": 0,
        "waiting": 0,
        "oldest_waiting_seconds": 0.0,
        "bytes_held": 0,
        "accepted": 1,
        "rejected": 0,
        "timed_out": 0,
        "deadline_exceeded": 0,
        "abandoned": 0,
        "max_running": 1,
        "max_waiting": 2,
        "max_waiting_seconds": 0,
        "max_bytes_held": 0,
    }


def test_gate_refuses_when_all_places_are_taken() -> None:
    gate = ProductionBackpressure(1, 1)
    gate.admit()
    gate.start()
    gate.admit()
    with pytest.raises(Overloaded, match="1 requests are running and 1 are waiting") as refused:
        gate.admit()
    assert refused.value.retry_after == RETRY_WHEN_FULL
    assert gate.figures()["rejected"] == 1


def test_gate_without_a_line_still_admits_what_can_run() -> None:
    gate = ProductionBackpressure(2, 0)
    gate.admit()
    gate.admit()
    with pytest.raises(Overloaded):
        gate.admit()


def test_gate_counts_those_that_waited_too_long() -> None:
    gate = ProductionBackpressure(1, 2)
    gate.admit()
    gate.admit()
    gate.leave(timed_out=True)
    gate.leave()
    assert gate.figures()["timed_out"] == 1
    assert gate.figures()["waiting"] == 0


class Busy:
    """A call that should have ended at `end`."""

    def __init__(self, end: float = 0) -> None:
        self.end = end

    def due(self) -> float:
        return self.end

    def is_blocking(self) -> bool:
        return True


def test_gate_tells_how_long_the_first_in_line_has_waited() -> None:
    gate = ProductionBackpressure(1, 5)
    calls = [Busy(), Busy(), Busy()]
    for call in calls:
        gate.admit(call)
        time.sleep(0.02)
    assert gate.figures()["oldest_waiting_seconds"] >= 0.06
    gate.start(calls[0])
    gate.leave(calls[1])
    assert 0.02 <= gate.figures()["oldest_waiting_seconds"] < 0.06
    gate.start(calls[2])
    assert gate.figures()["oldest_waiting_seconds"] == 0


def test_gate_warns_before_the_body_is_read_and_counts_that() -> None:
    gate = ProductionBackpressure(1, 0)
    gate.check()
    gate.admit()
    with pytest.raises(Overloaded):
        gate.check()
    assert (gate.figures()["accepted"], gate.figures()["rejected"]) == (1, 1)


def test_gate_refuses_bytes_past_its_limit() -> None:
    gate = ProductionBackpressure(1, 5, max_bytes=100)
    gate.hold(60)
    gate.check_bytes(40)
    for refused in (gate.hold, gate.check_bytes):
        with pytest.raises(Overloaded, match="hold 60 bytes") as raised:
            refused(41)
        assert raised.value.retry_after == RETRY_WHEN_FULL
    gate.release(60)
    assert (gate.figures()["bytes_held"], gate.figures()["rejected"]) == (0, 2)


def test_gate_takes_any_body_when_nothing_else_is_held() -> None:
    gate = ProductionBackpressure(1, 5, max_bytes=100)
    gate.check_bytes(500)
    gate.hold(90)
    gate.hold(400, held=90)
    assert gate.figures()["bytes_held"] == 490
    with pytest.raises(Overloaded):
        gate.hold(1)


def test_gate_without_a_limit_of_bytes_counts_them() -> None:
    gate = ProductionBackpressure(1, 5)
    gate.hold(10**12)
    gate.hold(1)
    assert gate.figures()["bytes_held"] == 10**12 + 1


def test_gate_is_stuck_when_all_slots_are_past_their_time() -> None:
    gate = ProductionBackpressure(2, 5)
    now = time.monotonic()
    late, later, in_time = Busy(now - 9), Busy(now - 5), Busy(now + 60)
    for call in (late, in_time):
        gate.admit(call)
        gate.start(call)
        assert gate.stuck_since() is None
    gate.finish(in_time)
    gate.admit(later)
    gate.start(later)
    assert gate.stuck_since() == now - 5
    gate.finish(late)
    assert gate.stuck_since() is None


def pass_through(gate: ProductionBackpressure, rounds: int, seed: int, seen: list[float]) -> None:
    choices = random.Random(seed)
    for _ in range(rounds):
        try:
            gate.admit()
        except Overloaded:
            continue
        figures = gate.figures()
        seen.append(figures["running"] + figures["waiting"])
        if choices.random() < 0.5:
            gate.leave(timed_out=choices.random() < 0.5)
        else:
            gate.start()
            gate.finish()


def test_gate_keeps_its_limits_and_leaks_nothing_under_many_threads() -> None:
    gate = ProductionBackpressure(3, 4)
    seen: list[float] = []
    threads = [
        threading.Thread(target=pass_through, args=(gate, 200, seed, seen)) for seed in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    figures = gate.figures()
    assert max(seen) <= 7
    assert (figures["running"], figures["waiting"]) == (0, 0)
    assert figures["accepted"] + figures["rejected"] == 24 * 200


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(0, 3), st.lists(st.sampled_from("asflt"), max_size=40))
def test_gate_counters_never_leave_their_range(
    running: int, waiting: int, steps: list[str]
) -> None:
    gate = ProductionBackpressure(running, waiting)
    admitted = in_line = inside = 0
    for step in steps:
        if step == "a":
            full = in_line + inside == running + waiting
            try:
                gate.admit()
                assert not full
                admitted, in_line = admitted + 1, in_line + 1
            except Overloaded:
                assert full
        elif step == "s" and in_line and inside < running:
            gate.start()
            in_line, inside = in_line - 1, inside + 1
        elif step == "f" and inside:
            gate.finish()
            inside -= 1
        elif step in "lt" and in_line:
            gate.leave(timed_out=step == "t")
            in_line -= 1
    figures = gate.figures()
    assert (figures["accepted"], figures["waiting"], figures["running"]) == (
        admitted,
        in_line,
        inside,
    )
