"""One connection of the FastAPI server, on a real Uvicorn in a thread of this process."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.operations.certificates import make_certificate, trusting_context
from tests.operations.http_requests import BODY, CASES, HOST, get, post
from tests.operations.raw_http import RawConnection, exchange, status_of

from datarobot_drum.drum.fastapi.app import create_asgi_app
from datarobot_drum.drum.fastapi.config import UvicornConfig
from datarobot_drum.drum.fastapi.protocol import GuardedProtocol, sweep
from datarobot_drum.drum.observability.record import Record, Recorder
from datarobot_drum.drum.root_predictors.edge import LINGER_BYTES, Edge
from datarobot_drum.drum.settings import ModelSpec, ServeSpec, Settings

MODEL = Path(__file__).resolve().parents[4] / "fixtures" / "models" / "linear"
LIMITS = Edge(Recorder(), header_timeout=0.5, keep_alive=5, request_timeout=30)


@contextmanager
def uvicorn_server(app: Any, edge: Edge, certificate: str | None = None) -> Iterator[int]:
    """The port of a Uvicorn that serves `app` behind the guard, with TLS if it has one."""
    protocol: Any = functools.partial(GuardedProtocol, edge=edge)
    limits: Any = {"timeout_keep_alive": edge.keep_alive, "ssl_certfile": certificate}
    limits["timeout_graceful_shutdown"] = 1
    config = uvicorn.Config(app, http=protocol, ws="none", log_config=None, **limits)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        sweeper = asyncio.create_task(sweep(server.server_state.connections, edge))
        await server.serve(sockets=[listener])
        sweeper.cancel()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
        listener.close()


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when it is true; fail when that takes too long."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def plain_app(scope: Any, receive: Any, send: Any) -> None:
    """Answers 50 MB to `/large`, and one byte to anything else, without reading a body.

    To `/slow` it begins an answer that has no end.
    """
    if scope["type"] == "http":
        body = b"x" * (50_000_000 if scope["path"] == "/large" else 1)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/slow":
            await asyncio.Event().wait()
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """The records of all requests."""
    return []


@pytest.fixture(scope="module")
def port(records: list[Record]) -> Iterator[int]:
    """The port of the real app."""
    interval, path = sys.getswitchinterval(), list(sys.path)
    spec = ServeSpec(ModelSpec(str(MODEL), target_type="regression"))
    app: Any = create_asgi_app(spec, Settings.load({}), lambda code: None)
    app.server.recorder.add(records.append)
    with uvicorn_server(app, replace(LIMITS, recorder=app.server.recorder)) as number:
        assert app.server.wait_until_loaded(30)
        yield number
    sys.path[:] = path
    sys.setswitchinterval(interval)


@pytest.fixture
def plain_port() -> Iterator[int]:
    """The port of an app that reads no body."""
    with uvicorn_server(plain_app, replace(LIMITS, request_timeout=0.5)) as number:
        yield number


def answers_to(port: int, request: bytes, *, half_closes: bool = False) -> list[int]:
    """The statuses of all answers until the connection is closed by either side."""
    with RawConnection(port) as connection:
        connection.send(request)
        if half_closes:
            connection.socket.shutdown(socket.SHUT_WR)
        answer = connection.read_until_closed()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answer)]


@pytest.mark.parametrize("case", [c for c in CASES if c.ending], ids=lambda case: case.name)
def test_every_request_is_answered_and_recorded_once(port, records, case):
    records.clear()
    assert answers_to(port, case.request, half_closes=case.half_closes) == [case.status]
    wait_for(lambda: len(records) > 0)
    assert [record.status for record in records] == [case.status]


@pytest.mark.parametrize(
    "start",
    [b"", get(HOST)[:-2], post(b"Content-Length: 9", body=BODY), post(b"Content-Length: 9")],
    ids=["silent", "head", "body", "no body"],
)
def test_slow_request_is_answered_and_recorded_once(port, records, start):
    records.clear()
    assert answers_to(port, start) == [408]
    wait_for(lambda: len(records) > 0)
    assert [record.status for record in records] == [408]


def test_malformed_request_is_answered_after_those_before_it(port):
    predict = post(b"Content-Length: 8", body=BODY)
    assert answers_to(port, predict + get(HOST) + get(b"X: no host") + get(HOST)) == [200, 200, 400]


def test_bad_body_behind_other_requests_is_answered_in_its_turn(port):
    bad = post(b"Transfer-Encoding: chunked", body=b"x\r\n")
    assert answers_to(port, post(b"Content-Length: 8", body=BODY) + bad) == [200, 400]


def test_head_that_begins_while_another_request_is_answered_is_timed_from_its_end(port):
    predict = post(b"Content-Length: 8", body=BODY)
    assert answers_to(port, predict + get(HOST)[:-2]) == [200, 408]


def test_method_that_the_parser_does_not_know_reaches_the_app(port, records):
    records.clear()
    request = get(HOST, b"Connection: close", first=b"FROBNICATE /ping/ HTTP/1.1")
    assert answers_to(port, request) == [405]
    assert [record.method for record in records] == ["FROBNICATE"]


def test_client_that_leaves_between_requests_gets_nothing(port):
    assert answers_to(port, b"", half_closes=True) == []


def test_large_body_in_many_packets_is_read(port):
    body = b"a,b\n" + b"1,2\n" * 100_000
    with RawConnection(port) as connection:
        connection.send(post(b"Content-Length: %d" % len(body), body=body))
        status, _, answer = connection.read_answer()
    assert (status, answer.count(b"22.0")) == (200, 100_000)


def test_answer_before_the_body_is_the_last_one(plain_port):
    with RawConnection(plain_port) as connection:
        connection.send(post(b"Content-Length: 9", body=BODY))
        assert connection.read_head()[1]["connection"] == "close"
        connection.send(b"x" + get(HOST))
        assert connection.read_until_closed() == b"x"


def test_body_that_turns_bad_after_the_answer_gets_no_second_one(plain_port):
    with RawConnection(plain_port) as connection:
        connection.send(post(b"Transfer-Encoding: chunked"))
        assert connection.read_head()[0] == 200
        connection.send(b"no size\r\n")
        assert connection.read_until_closed() == b"x"


def test_answer_is_cut_when_the_body_turns_bad_meanwhile():
    with uvicorn_server(plain_app, LIMITS) as port, RawConnection(port) as connection:
        connection.send(get(HOST, b"Transfer-Encoding: chunked", target=b"/slow"))
        assert connection.read_head()[0] == 200
        connection.send(b"no size\r\n")
        assert connection.read_until_closed() == b""


@pytest.mark.parametrize("request_bytes", [get(b"X: no host"), post(b"Content-Length: 9")])
def test_tls_connection_is_closed_after_the_answer(tmp_path, request_bytes):
    certificate = str(make_certificate(tmp_path))
    with uvicorn_server(plain_app, LIMITS, certificate) as port, RawConnection(port) as connection:
        connection.socket = trusting_context().wrap_socket(connection.socket)
        connection.send(request_bytes)
        head = connection.read_until_closed().partition(b"\r\n\r\n")[0].lower()
    assert b"connection: close" in head


def test_client_that_does_not_read_is_cut(plain_port):
    with RawConnection(plain_port) as connection:
        connection.send(get(HOST, target=b"/large"))
        # a second is more than the server waits, and less than it takes to read 50 MB in pieces
        time.sleep(1.5)
        received = len(connection.read_until_closed())
    assert 0 < received < 50_000_000


def test_refused_client_may_go_on_sending_for_a_while(port):
    with RawConnection(port) as connection:
        connection.send(get(b"X: no host"))
        assert connection.read_head()[0] == 400
        connection.socket.settimeout(0.2)
        with pytest.raises((ConnectionError, TimeoutError)):
            for _ in range(10 * LINGER_BYTES // 4096):
                connection.socket.sendall(b"x" * 4096)
                time.sleep(0.001)
    assert status_of(exchange(port, get(HOST, b"Connection: close"))) == 200


def test_refused_client_that_does_not_close_is_closed(port):
    with RawConnection(port) as connection:
        connection.send(get(b"X: no host"))
        connection.read_answer()
        connection.socket.settimeout(0.1)

        def is_reset() -> bool:
            try:
                connection.socket.sendall(b"x")
            except OSError:
                return True
            return False

        wait_for(is_reset)


def test_connections_beyond_the_limit_get_503():
    with uvicorn_server(plain_app, replace(LIMITS, limit_concurrency=1)) as port:
        with RawConnection(port) as first:
            first.send(get(HOST))
            assert first.read_head()[0] == 200
            assert answers_to(port, get(HOST)) == [503]
        wait_for(lambda: answers_to(port, get(HOST, b"Connection: close")) == [200])


def test_no_deadline_runs_when_the_header_timeout_is_off():
    with uvicorn_server(plain_app, replace(LIMITS, header_timeout=0)) as port:
        with RawConnection(port) as connection:
            time.sleep(1.2)
            connection.send(get(HOST))
            assert connection.read_head()[0] == 200


def test_edge_has_the_limits_of_the_settings():
    environ = {"DRUM_UVICORN_HEADER_TIMEOUT": "3", "DRUM_UVICORN_LIMIT_CONCURRENCY": "7"}
    edge = UvicornConfig.from_runtime_params(environ).edge(Recorder())
    assert (edge.header_timeout, edge.limit_concurrency) == (3, 7)
    assert (edge.keep_alive, edge.request_timeout) == (75, 600)
