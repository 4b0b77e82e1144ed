"""Many requests at once: probes answer, hooks take turns, limits refuse, deadlines hold."""

from __future__ import annotations

from typing import Any

from tests.contract.cases.models import GATED
from tests.contract.conftest import Serve
from tests.contract.exchanges import PATIENCE, Request, eventually
from tests.contract.serving import Client, post

STATUS_PATHS = (
    *("/", "/ping/", "/health/", "/livez", "/readyz", "/startupz"),
    *("/info/", "/stats/", "/capabilities/"),
)
DEPTH = "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH"
PATIENCE_IN_LINE = "DRUM_FASTAPI_EXECUTOR_QUEUE_TIMEOUT"
DEADLINE = "DRUM_CLIENT_REQUEST_TIMEOUT"


def _row(value: int) -> Request:
    return post("/predict/", b"v\n%d\n" % value)


def _running(client: Client, value: int = 1) -> Any:
    """A prediction whose hook has begun and waits."""
    exchange = client.open(_row(value))
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    return exchange


def _waiting(client: Client, value: int, place: int = 1) -> Any:
    """A prediction that stands in line."""
    exchange = client.open(_row(value))
    eventually(lambda: client.server.gate.figures()["waiting"] == place)
    return exchange


def _finish(client: Client, *exchanges: Any) -> list[float]:
    """Let the hooks go on; what they predicted."""
    for _ in exchanges:
        client.loaded.go_on.release()
    return [exchange.answer().json()["predictions"][0] for exchange in exchanges]


def test_status_routes_answer_while_a_prediction_runs(own_client: Serve) -> None:
    client = own_client(GATED)
    running = _running(client)
    waiting = _waiting(client, 2)
    for path in STATUS_PATHS:
        assert client.get(path).status == 200
    queue = client.get("/stats/").json()["server"]["queue"]
    assert (queue["running"], queue["waiting"]) == (1, 1)
    assert _finish(client, running, waiting) == [1.0, 2.0]


def test_hooks_never_overlap(own_client: Serve) -> None:
    client = own_client(GATED)
    first = _running(client, 1)
    others = [_waiting(client, number, place=number - 1) for number in (2, 3, 4)]
    assert not client.loaded.begun.acquire(blocking=False)
    assert _finish(client, first, *others) == [1.0, 2.0, 3.0, 4.0]
    assert client.loaded.most_running == 1


def test_request_is_refused_when_the_line_is_full(own_client: Serve) -> None:
    client = own_client(GATED.with_environment(**{DEPTH: "1"}))
    running, waiting = _running(client), _waiting(client, 2)
    answer = client.send(_row(3))
    assert (answer.status, answer.header("Retry-After")) == (503, "5")
    assert answer.json()["message"].startswith("ERROR: the server is busy")
    assert _finish(client, running, waiting) == [1.0, 2.0]


def test_line_may_have_no_places_at_all(own_client: Serve) -> None:
    client = own_client(GATED.with_environment(**{DEPTH: "0"}))
    running = _running(client)
    assert client.send(_row(2)).status == 503
    assert _finish(client, running) == [1.0]


def test_request_that_waits_too_long_is_refused_and_never_runs(own_client: Serve) -> None:
    client = own_client(GATED.with_environment(**{PATIENCE_IN_LINE: "0.2"}))
    running = _running(client)
    answer = client.send(_row(2))
    assert (answer.status, answer.header("Retry-After")) == (503, "10")
    assert "waited" in answer.json()["message"]
    assert _finish(client, running) == [1.0]
    assert _finish(client, _running(client, 3)) == [3.0]
    assert not client.loaded.begun.acquire(blocking=False)


def test_request_over_its_deadline_keeps_its_slot_until_the_hook_returns(
    own_client: Serve,
) -> None:
    client = own_client(GATED.with_environment(**{DEADLINE: "0.3"}))
    answer = client.send(_row(1))
    assert answer.status == 504
    assert "did not answer within 0.3 s" in answer.json()["message"]
    assert client.server.gate.figures()["running"] == 1
    assert client.send(_row(2)).status == 503
    client.loaded.go_on.release()
    eventually(lambda: client.server.gate.figures()["running"] == 0)


def test_server_serves_on_after_a_deadline(own_client: Serve) -> None:
    # as much time again is left to let the first one go before the worker counts as stuck
    client = own_client(GATED.with_environment(**{DEADLINE: "2"}))
    assert client.send(_row(1)).status == 504
    for _ in range(2):
        client.loaded.go_on.release()
    assert client.send(_row(2)).json() == {"predictions": [2.0]}
