"""Clients that are slow on purpose are cut off, and others are answered meanwhile.

Row 6 of the conformance table: silent connection, partial head, slow body, stream reader that does
not read.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import RunningServer, ServerContext, StartServer
from tests.operations.fronts import wait_for
from tests.operations.http_requests import HOST, get, post
from tests.operations.raw_http import RawConnection, exchange, status_of

MODEL = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
#: A server that can wait for many clients at a time; `sync` waits for one.
PARALLEL = ("fastapi", "gevent", "gthread")
KINDS = (*PARALLEL, "sync")
SECONDS = 0.5
CLIENTS = 48

SILENT = b""
PARTIAL_HEAD = get(HOST)[:-2]
STALLED_BODY = post(b"Content-Length: 1000", body=b"a,b\n")
STALLED_CHUNK = post(b"Transfer-Encoding: chunked", body=b"ff\r\na,b\n")
SLOW = (SILENT, PARTIAL_HEAD, STALLED_BODY, STALLED_CHUNK)

ROWS = b"a,b\n" + b"0.123456789,0.123456789\n" * 400_000
#: Its answer is more than the kernel buffers: about 20 bytes for each row.
LARGE = post(b"Content-Length: %d" % len(ROWS), body=ROWS)
#: Seconds that a client may leave its answer unread, or need for a body.
READ_SECONDS = 2


def options(kind: str) -> dict[str, object]:
    """How to start a server of that kind, with short limits."""
    env = {
        "DRUM_UVICORN_HEADER_TIMEOUT": str(SECONDS),
        "DRUM_CLIENT_REQUEST_TIMEOUT": str(READ_SECONDS),
    }
    if kind == "fastapi":
        return {"server_type": kind, "env": env}
    return {"server_type": "gunicorn", "env": {**env, "DRUM_GUNICORN_WORKER_CLASS": kind}}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of production server."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(running_server: ServerContext, kind: str) -> Iterator[RunningServer]:
    """A running server of that kind."""
    arguments = (MODEL, "--target-type", "regression", "--logging-level", "info")
    with running_server(*arguments, **options(kind)) as running:
        yield running


@contextmanager
def slow_clients(server: RunningServer, requests: list[bytes]) -> Iterator[Callable[[], list[int]]]:
    """Clients that send these bytes and then only wait; the function has their statuses."""
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = [pool.submit(exchange, server.port, request) for request in requests]
        yield lambda: [status_of(answer.result()) for answer in answers]


def times_of_pings(server: RunningServer, count: int) -> list[float]:
    """Seconds that each of so many good requests takes, on connections of their own."""
    times = []
    for _ in range(count):
        begun = time.monotonic()
        assert status_of(exchange(server.port, get(HOST, b"Connection: close"))) == 200
        times.append(time.monotonic() - begun)
    return times


def trickle(port: int, start: bytes, piece: bytes) -> int:
    """The status for a client that sends a piece ten times in the time that it has in all."""
    with RawConnection(port) as connection:
        connection.send(start)
        connection.socket.settimeout(SECONDS / 10)
        answer = b""
        while not answer:
            with contextlib.suppress(TimeoutError):
                answer = connection.read_until_closed()
            connection.send(piece)
        return status_of(answer)


def test_slow_clients_are_cut_and_others_answered_meanwhile(server, kind):
    if kind == "sync":
        pytest.skip("a sync worker has one client at a time; see the next test")
    with slow_clients(server, list(SLOW) * (CLIENTS // len(SLOW))) as statuses:
        times = times_of_pings(server, 20)
        assert statuses() == [408] * CLIENTS
    # most take a fraction of the time that a slow client is given
    assert sorted(times)[10] < SECONDS / 2


def test_slow_clients_are_cut_and_the_next_one_is_answered(server, kind):
    if kind != "sync":
        pytest.skip("of sync workers")
    with slow_clients(server, list(SLOW)) as statuses:
        times = times_of_pings(server, 3)
        assert statuses() == [408] * len(SLOW)
    assert max(times) < len(SLOW) * (SECONDS + 1)


@pytest.mark.parametrize("request_bytes", SLOW, ids=["silent", "head", "body", "chunk"])
def test_answer_to_a_slow_client_is_json_and_logged(server, request_bytes):
    answer = exchange(server.port, request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert json.loads(body)["message"].endswith("did not arrive in time; send it again")
    assert (b"connection: close" in head.lower(), b"X-Request-ID" in head.title()) == (True, False)
    assert "did not arrive in time" in server.log


@pytest.mark.parametrize(
    ("start", "piece"),
    [(get(HOST)[:-2], b"X-A: 1\r\n"), (STALLED_BODY, b"1"), (STALLED_CHUNK, b"1")],
    ids=["head", "body", "chunk"],
)
def test_client_that_trickles_is_cut(server, start, piece):
    assert trickle(server.port, start, piece) == 408


def test_idle_connection_is_no_slow_client(server, kind):
    if kind == "sync":
        pytest.skip("a sync worker keeps no connection")
    with RawConnection(server.port) as connection:
        for wait in (1.5 * SECONDS, 0):
            connection.send(get(HOST))
            assert connection.read_answer()[0] == 200
            time.sleep(wait)
        connection.send(PARTIAL_HEAD)
        assert status_of(connection.read_until_closed()) == 408


def test_body_that_rests_but_goes_on_is_read(server):
    with RawConnection(server.port) as connection:
        connection.send(post(b"Content-Length: 8"))
        for piece in (b"a,b\n", b"1,2\n"):
            time.sleep(SECONDS / 3)
            connection.send(piece)
        assert connection.read_answer()[0] == 200


def test_client_that_does_not_read_its_answer_is_cut(server):
    count = server.log.count(NOT_READ)
    with client_that_does_not_read(server.port):
        wait_for(lambda: server.log.count(NOT_READ) > count, "the end of its connection", 20)
    assert server.get("/ping/").status_code == 200


NOT_READ = "did not read its answer"


@contextmanager
def client_that_does_not_read(port: int) -> Iterator[None]:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(LARGE)
        yield


def test_development_server_does_not_wait_for_ever(start_server: StartServer):
    env = {"DRUM_UVICORN_HEADER_TIMEOUT": str(SECONDS)}
    server = start_server(MODEL, "--target-type", "regression", server_type="flask", env=env)
    assert [status_of(exchange(server.port, start)) for start in (SILENT, PARTIAL_HEAD)] == [0, 0]
    for start in (STALLED_BODY, STALLED_CHUNK):
        assert status_of(exchange(server.port, start)) == 408
    # what ends in the middle of a chunk cannot be read either
    assert status_of(exchange(server.port, STALLED_CHUNK, ends=True)) == 400
    with client_that_does_not_read(server.port):
        wait_for(lambda: server.log.count('"POST /predict/') == 4, "the end of all")
    assert server.get("/ping/").status_code == 200
