"""The guard of the event loop works: what blocks it makes a test fail."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockingError
from tests.contract.asgi_front import ASGIFront, EventLoopThread
from tests.contract.cases.models import GATED, LINEAR
from tests.contract.exchanges import PATIENCE, Request, eventually
from tests.contract.serving import post, serving

from datarobot_drum.drum.root_predictors.probes import State


def _sleep() -> None:
    time.sleep(0)


def _wait_for_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=0.001)


def _read_from_a_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x")
        ours.recv(1)


def _app(block: Callable[[], None]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        block()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    return app


@pytest.mark.parametrize("block", [_sleep, _wait_for_a_lock, _read_from_a_socket])
def test_guard_notices_an_endpoint_that_blocks(
    block: Callable[[], None], event_loop: EventLoopThread, guard: None
) -> None:
    front = ASGIFront(_app(block), event_loop)
    with pytest.raises(BlockingError):
        front.open(Request()).answer()
    assert [type(failure) for failure in event_loop.failures] == [BlockingError]
    event_loop.failures.clear()


def test_guard_lets_an_endpoint_pass_that_does_not_block(
    event_loop: EventLoopThread, guard: None
) -> None:
    answer = ASGIFront(_app(lambda: None), event_loop).open(Request()).answer()
    assert (answer.status, answer.body) == (200, b"done")


def test_guard_notices_what_goes_wrong_beside_a_request(
    event_loop: EventLoopThread, guard: None
) -> None:
    def fail() -> None:
        raise RuntimeError("nobody waits for this")

    async def call_soon() -> None:
        event_loop.loop.call_soon(fail)

    event_loop.run(call_soon())
    event_loop.run(call_soon())
    assert isinstance(event_loop.failures[0], RuntimeError)
    event_loop.failures.clear()


def test_event_loop_answers_while_the_last_hook_runs(
    event_loop: EventLoopThread, guard: None, tmp_path: Path
) -> None:
    with serving(GATED, "fastapi", tmp_path, event_loop) as client:
        running = client.open(post("/predict/", b"v\n1\n"))
        assert client.loaded.begun.acquire(timeout=PATIENCE)
        with ThreadPoolExecutor() as pool:
            ending = pool.submit(client.front.end)
            eventually(lambda: client.server.state is State.DRAINING)
            assert client.get("/livez").status == 200
            client.loaded.go_on.release()
            ending.result(PATIENCE)
        assert running.answer().json() == {"predictions": [1.0]}


def test_shutdown_goes_without_errors(
    event_loop: EventLoopThread, guard: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(LINEAR, "fastapi", tmp_path, event_loop) as client:
        assert client.get("/ping/").status == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
