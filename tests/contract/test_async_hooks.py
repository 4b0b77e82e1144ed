"""Async hooks run many at once on FastAPI, one at a time elsewhere; sync code takes turns."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.contract.cases.models import AWAITING, AWAITING_CHAT, AWAITING_UNSTRUCTURED
from tests.contract.checks import events_of
from tests.contract.conftest import Serve
from tests.contract.exchanges import Request, eventually
from tests.contract.serving import Client, Served, post

LIMIT = "DRUM_MAX_CONCURRENT_REQUESTS"
DEADLINE = "DRUM_CLIENT_REQUEST_TIMEOUT"
WORKERS = "DRUM_FASTAPI_EXECUTOR_WORKERS"

on_fastapi = pytest.mark.parametrize("front", ["fastapi"])


def _row(number: int, action: str = "pass", together: int = 0) -> Request:
    return post("/predict/", b"v,do,together\n%d,%s,%d\n" % (number, action.encode(), together))


def _ask(text: str, together: int = 0) -> Request:
    params = {"messages": [{"content": text}], "stream": True, "together": together}
    return post("/chat/completions", json.dumps(params).encode(), "application/json")


def _running(client: Client) -> float:
    return client.server.gate.figures()["running"]


def _started(client: Client, request: Request, running: int = 1) -> Any:
    exchange = client.open(request)
    eventually(lambda: _running(client) == running)
    return exchange


@on_fastapi
def test_as_many_requests_wait_in_hooks_as_the_setting_says(own_client: Serve) -> None:
    client = own_client(AWAITING.with_environment(**{LIMIT: "7"}))
    exchanges = [client.open(_row(number, together=7)) for number in range(20)]
    answers = [exchange.answer().json()["predictions"] for exchange in exchanges]
    assert answers == [[float(number)] for number in range(20)]
    assert client.loaded.waiting.most == 7


@on_fastapi
@pytest.mark.parametrize("workers", [1, 2])
def test_sync_code_beside_async_hooks_runs_on_as_many_threads_as_before(
    own_client: Serve, workers: int
) -> None:
    client = own_client(AWAITING.with_environment(**{WORKERS: str(workers)}))
    exchanges = [client.open(_row(number, together=30)) for number in range(30)]
    assert all(exchange.answer().status == 200 for exchange in exchanges)
    assert client.loaded.waiting.most == 30
    assert client.loaded.computing.most <= workers


@on_fastapi
def test_limit_of_one_awaits_one_hook_at_a_time(own_client: Serve) -> None:
    client = own_client(AWAITING.with_environment(**{LIMIT: "1"}))
    exchanges = [client.open(_row(number)) for number in range(5)]
    assert all(exchange.answer().status == 200 for exchange in exchanges)
    assert client.loaded.waiting.most == 1


@pytest.mark.parametrize("front", ["flask", "gunicorn"])
def test_async_hooks_are_one_at_a_time_on_servers_with_threads(own_client: Serve) -> None:
    client = own_client(AWAITING)
    exchanges = [client.open(_row(number)) for number in range(5)]
    assert all(exchange.answer().status == 200 for exchange in exchanges)
    assert client.loaded.waiting.most == 1


@on_fastapi
def test_model_without_async_hooks_keeps_its_one_slot(
    client: Callable[[Served], Client],
) -> None:
    server = client(Served("linear")).server
    assert server.gate.figures()["max_running"] == 1
    assert len(server.threads._threads) == 1


@on_fastapi
def test_request_over_its_deadline_is_cancelled_and_its_slot_is_free(own_client: Serve) -> None:
    client = own_client(AWAITING.with_environment(**{DEADLINE: "0.3", LIMIT: "1"}))
    assert client.send(_row(1, together=99)).status == 504
    eventually(lambda: _running(client) == 0)
    assert client.loaded.cancelled == 1
    assert client.send(_row(2)).json() == {"predictions": [2.0]}


@on_fastapi
def test_hook_of_a_client_that_left_is_cancelled(own_client: Serve) -> None:
    client = own_client(AWAITING)
    exchange = _started(client, _row(1, together=99))
    exchange.close()
    eventually(lambda: _running(client) == 0)
    assert client.loaded.cancelled == 1


@on_fastapi
@pytest.mark.parametrize("action", ["spin", "compute"])
def test_worker_whose_hooks_are_all_blocked_is_stuck(own_client: Serve, action: str) -> None:
    client = own_client(AWAITING.with_environment(**{DEADLINE: "0.2"}))
    assert client.send(_row(1, action)).status == 504
    eventually(lambda: client.server.is_stuck)
    client.loaded.go_on.set()


@on_fastapi
def test_hook_that_swallows_its_cancellation_keeps_its_slot(own_client: Serve) -> None:
    client = own_client(AWAITING.with_environment(**{DEADLINE: "0.3", LIMIT: "1"}))
    assert client.send(_row(1, "stubborn")).status == 504
    eventually(lambda: client.loaded.cancelled == 1)
    assert _running(client) == 1
    client.loaded.go_on.set()
    eventually(lambda: _running(client) == 0)


@on_fastapi
def test_streams_flow_at_the_same_time(own_client: Serve) -> None:
    client = own_client(AWAITING_CHAT)
    exchanges = [client.open(_ask("so be it", together=10)) for _ in range(10)]
    for exchange in exchanges:
        assert len(events_of(exchange.answer().body)) == 4
    assert client.loaded.waiting.most == 10
    assert client.loaded.closed == 10


@on_fastapi
def test_stream_ends_where_its_client_leaves(own_client: Serve) -> None:
    client = own_client(AWAITING_CHAT)
    exchange = client.open(_ask("one two", together=2))
    assert b"one" in next(exchange.pieces())
    eventually(lambda: client.loaded.asleep.now == 1)
    exchange.close()
    eventually(lambda: _running(client) == 0)
    assert (client.loaded.cancelled, client.loaded.closed) == (1, 1)


@on_fastapi
def test_end_of_the_worker_cancels_what_still_waits(own_client: Serve) -> None:
    client = own_client(AWAITING.with_environment(DRUM_UVICORN_GRACEFUL_TIMEOUT="1"))
    model = client.loaded
    waiting = _started(client, _row(1, together=99))
    client.front.end()
    assert waiting.answer().status == 503
    assert (model.cancelled, model.loop.is_closed()) == (1, True)


@on_fastapi
def test_hooks_of_unstructured_models_overlap_too(own_client: Serve) -> None:
    client = own_client(AWAITING_UNSTRUCTURED)
    path = "/predictUnstructured/"
    stubborn = [client.open(post(path, b"stubborn", "text/plain")) for _ in range(5)]
    eventually(lambda: _running(client) == 5)
    assert client.post(path, b"facts", "text/plain").status == 200
    client.loaded.go_on.set()
    assert all(exchange.answer().status == 200 for exchange in stubborn)
