"""The watch of stuck slots: when it speaks up, once, and what the server tells then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import ROUTES, Route
from datarobot_drum.drum.root_predictors.stuck import StuckWatch

PREDICT = next(route for route in ROUTES if route.name == "predict")


class Late:
    """A call that should have ended long ago."""

    def due(self) -> float:
        return 0.0

    def is_blocking(self) -> bool:
        return True


def wait_for(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def gate() -> ProductionBackpressure:
    """A gate whose only slot is stuck."""
    gate = ProductionBackpressure(1, 5)
    call = Late()
    gate.admit(call)
    gate.start(call)
    return gate


def route(name: str) -> Route:
    return next(route for route in ROUTES if route.name == name)


def test_watch_has_a_stuck_worker_replaced_once(
    gate: ProductionBackpressure, caplog: pytest.LogCaptureFixture
) -> None:
    order: list[str] = []
    watch = StuckWatch(gate, 0.01, lambda: order.append("stuck"))
    watch.start(lambda reason: order.append(reason))
    wait_for(lambda: len(order) == 2)
    assert order[0] == "stuck"
    assert "all 1 slots are taken by requests past their deadline" in order[1]
    assert order[1] in caplog.text


def test_watch_says_nothing_before_one_further_timeout() -> None:
    class JustLate:
        end = time.monotonic()

        def due(self) -> float:
            return self.end

        def is_blocking(self) -> bool:
            return True

    gate, seen = ProductionBackpressure(1, 5), threading.Event()
    call = JustLate()
    gate.admit(call)
    gate.start(call)
    watch = StuckWatch(gate, 0.5, seen.set)
    watch.start()
    assert seen.wait(20)
    assert time.monotonic() - call.end >= 0.5


def test_watch_without_a_timeout_never_looks(gate: ProductionBackpressure) -> None:
    before = threading.active_count()
    StuckWatch(gate, 0, lambda: None).start()
    assert threading.active_count() == before


def test_watch_that_was_stopped_says_nothing(gate: ProductionBackpressure) -> None:
    seen: list[str] = []
    before = set(threading.enumerate())
    watch = StuckWatch(gate, 0.001, lambda: seen.append("stuck"))
    watch.stop()
    watch.start()
    wait_for(lambda: set(threading.enumerate()) <= before)
    assert seen == []


@pytest.mark.parametrize(
    ("replaceable", "age", "status"), [(True, 0, 200), (True, 999, 503), (False, 0, 503)]
)
def test_liveness_fails_only_when_nobody_replaces_the_worker(
    replaceable: bool, age: float, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = PredictionServer(request_timeout=0.05)
    call = Late()
    server.gate.admit(call)
    server.gate.start(call)
    server.stuck.start((lambda reason: None) if replaceable else None)
    wait_for(lambda: server.state is State.STUCK)
    server.stuck._timeout = 500
    now = time.monotonic() + age
    monkeypatch.setattr(time, "monotonic", lambda: now)
    reply = server.handle(route("livez"), RequestAdapter())
    assert reply.status == status
    assert (b"stuck" in reply.body) == (status == 503)


def test_stuck_server_refuses_at_once_those_that_wait_and_those_that_come() -> None:
    server = PredictionServer(request_timeout=1)
    call = Late()
    server.gate.admit(call)
    server.gate.start(call)
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(server.call(PREDICT, RequestAdapter())))
    thread.start()
    wait_for(lambda: server.gate.figures()["waiting"] == 1)
    server.stuck.start()
    thread.join(20)
    late = server.call(PREDICT, RequestAdapter())
    for reply in (*replies, late):
        assert (reply.status, dict(reply.headers)["Retry-After"]) == (503, "5")
        assert b"the model does not return" in reply.body
    assert (len(replies), server.gate.figures()["waiting"]) == (1, 0)
    probes = {name: server.handle(route(name), RequestAdapter()).status for name in ("readyz",)}
    assert probes == {"readyz": 503}
    assert server.handle(route("startupz"), RequestAdapter()).status == 200
    assert server.is_stuck


def test_watch_has_a_worker_replaced_whose_async_hooks_are_blocked() -> None:
    order: list[str] = []
    gate = ProductionBackpressure(1, 5)
    watch = StuckWatch(gate, 0.01, lambda: order.append("stuck"), lambda: 0.0)
    watch.start(lambda reason: order.append(reason))
    wait_for(lambda: len(order) == 2)
    assert "an async hook has blocked the event loop of all for 0.01 s" in order[1]


@pytest.mark.parametrize(("blocking", "since"), [(True, 0.0), (False, None)])
def test_gate_of_many_slots_is_stuck_when_the_few_that_may_block_are(
    blocking: bool, since: float | None
) -> None:
    class Waiting(Late):
        def is_blocking(self) -> bool:
            return blocking

    many, call = ProductionBackpressure(1, 5), Waiting()
    many.allow(100)
    many.admit(call)
    many.start(call)
    assert many.stuck_since() == since
