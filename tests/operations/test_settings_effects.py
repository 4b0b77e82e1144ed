"""Settings of connections and workers, each with a value that is not its default, on real servers.

Which test shows the effect of which setting is told in `tests/architecture/test_settings.py`.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer, find_free_port
from tests.operations.commands import COMMANDED, CommandedServer, eventually
from tests.operations.raw_http import RawConnection
from tests.stand_ins.redis_server import redis_at

from datarobot_drum.drum.root_predictors.rate_limit import RateLimit

LINEAR = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
PAGE = "https://app.example"
BACKLOG, CONNECTIONS = 3, 12
TUNED = {
    "DRUM_UVICORN_KEEP_ALIVE": "1",
    "DRUM_WEBSERVER_BACKLOG": str(BACKLOG),
    "DRUM_CORS_ENABLED": "true",
    "DRUM_CORS_ORIGINS": PAGE,
    "DRUM_CORS_METHODS": "get, PUT",
    "DRUM_CORS_HEADERS": "X-Own",
    "DRUM_RATE_LIMIT_ENABLED": "true",
    "DRUM_RATE_LIMIT_RPM": "100000",
    "DRUM_RATE_LIMIT_BURST": "2",
    # each worker would be replaced after its first request, were there no jitter
    "DRUM_UVICORN_MAX_REQUESTS": "1",
    "DRUM_UVICORN_MAX_REQUESTS_JITTER": "100000",
    "DRUM_UVICORN_LIMIT_CONCURRENCY": str(CONNECTIONS),
    "DRUM_UVICORN_LOOP": "asyncio",
}
EXTENSION = """
import asyncio

def init_app(app):
    @app.get("/loop")
    async def loop():
        return type(asyncio.get_running_loop()).__module__
"""

on_every_server, on_production_servers, on_fastapi = (
    pytest.mark.parametrize("tuned", types, indirect=True)
    for types in (["flask", "gunicorn", "fastapi"], ["gunicorn", "fastapi"], ["fastapi"])
)


@dataclass
class Tuned:
    """A server with all of that, and where its storage of rate limits is."""

    server: RunningServer
    storage: str

    def get(self, client: str, path: str = "/info/") -> httpx.Response:
        """Ask as the client of that address, on a connection of its own."""
        headers = {"X-Forwarded-For": client, "Connection": "close"}
        return self.server.get(path, headers=headers)


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """A Redis."""
    port = find_free_port()
    with redis_at(port):
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def tuned(request, running_server, storage, tmp_path_factory) -> Iterator[Tuned]:
    """A server of the type that the test is marked with."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "custom.py").write_text((LINEAR / "custom.py").read_text())
    if request.param == "fastapi":
        (folder / "custom_fastapi.py").write_text(EXTENSION)
    env = {**TUNED, "DRUM_RATE_LIMIT_STORAGE": f"{storage}/{len(request.param)}"}
    with running_server(
        folder, "--target-type", "regression", server_type=request.param, env=env
    ) as server:
        yield Tuned(server, env["DRUM_RATE_LIMIT_STORAGE"])


@on_every_server
def test_methods_and_headers_of_pages_are_those_of_the_settings(tuned):
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}
    answer = tuned.server.client.options("/info/", headers=asked)
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, PUT"
    assert "X-Own" in answer.headers["Access-Control-Allow-Headers"].split(", ")
    other = {**asked, "Access-Control-Request-Method": "POST"}
    assert tuned.server.client.options("/info/", headers=other).status_code == 400


@on_every_server
def test_burst_limits_what_comes_within_a_second(tuned):
    # the storage may be slow on a busy machine, and is then left alone for a while
    eventually(lambda: tuned.get("203.0.113.1").status_code == 429, "a burst is refused")


@on_every_server
def test_counts_are_kept_in_the_storage(tuned):
    def is_counted() -> bool:
        tuned.get("203.0.113.2")
        return RateLimit(1, 100_000, tuned.storage).refusal("203.0.113.2") is not None

    assert RateLimit(1, 100_000, tuned.storage).refusal("203.0.113.3") is None
    eventually(is_counted, "the storage knows of the client")


@on_production_servers
def test_worker_is_not_replaced_before_its_jitter(tuned):
    answers = [tuned.get(f"203.0.113.{number}", "/stats/").json() for number in (5, 6, 7)]
    assert len({answer["drum_info"][0]["pid"] for answer in answers}) == 1


@on_production_servers
def test_idle_connection_is_closed_when_its_time_is_over(tuned):
    with RawConnection(tuned.server.port) as connection:
        connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, _ = connection.read_answer()
        assert (status, headers.get("connection", "keep-alive").lower()) == (200, "keep-alive")
        assert connection.read_until_closed() == b""


@on_production_servers
def test_connections_that_nobody_accepts_wait_in_a_short_line(tuned):
    os.killpg(tuned.server.process.pid, signal.SIGSTOP)
    try:
        # the kernel keeps one more than it was told
        assert waiting_connections(tuned.server.port, BACKLOG + 5) <= BACKLOG + 1
    finally:
        os.killpg(tuned.server.process.pid, signal.SIGCONT)
    eventually(lambda: tuned.server.is_ready("/livez"), "the server goes on")


def waiting_connections(port: int, most: int) -> int:
    """How many connections can be made at a time, tried up to `most`."""
    with ExitStack() as opened:
        for count in range(most):
            try:
                connection = socket.create_connection(("127.0.0.1", port), 0.3)
            except TimeoutError:
                return count
            opened.enter_context(connection)
        return most


@on_fastapi
def test_connections_beyond_the_limit_are_refused(tuned):
    with ExitStack() as idle:
        for _ in range(CONNECTIONS):
            idle.enter_context(RawConnection(tuned.server.port))
        sent = {"Origin": PAGE, "X-Request-ID": "mine"}
        answer = httpx.get(f"{tuned.server.url}/livez", trust_env=False, headers=sent)
        assert answer.status_code == 503
        assert answer.headers["X-Request-ID"] == "mine"
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        eventually(lambda: '"GET /livez HTTP/1.1" 503' in tuned.server.log, "its line of log")
    eventually(lambda: tuned.server.is_ready("/livez"), "the connections are gone")


@on_fastapi
def test_event_loop_is_the_one_that_was_chosen(tuned):
    answer = tuned.get("203.0.113.4", "/loop").json()
    assert answer == "asyncio.unix_events"


def test_threads_and_connections_of_a_thread_worker_are_bounded(running_server, tmp_path):
    env = {
        "COMMAND_PLACE": str(tmp_path),
        "DRUM_GUNICORN_THREADS": "1",
        "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH": "0",
        "DRUM_WORKER_CONNECTIONS": "3",
    }
    with running_server(
        COMMANDED, "--target-type", "regression", server_type="gunicorn", env=env
    ) as server:
        check_connections(server)
        check_threads(CommandedServer(server, tmp_path))


def check_connections(server: RunningServer) -> None:
    """Three connections are served at a time; a fourth is when one of them has left."""
    server.client.close()
    with ExitStack() as served:
        kept = [served.enter_context(RawConnection(server.port)) for _ in range(3)]
        for connection in kept:
            connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.read_answer()[0] == 200
        fourth = served.enter_context(RawConnection(server.port))
        fourth.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not has_answer(fourth, 0.5)
        kept[0].socket.close()
        assert has_answer(fourth, 20)


def check_threads(served: CommandedServer) -> None:
    """While the only thread waits for a hook, not even a probe is answered."""
    with RawConnection(served.server.port) as busy, RawConnection(served.server.port) as probe:
        body = b"wait\n1\n"
        busy.send(
            b"POST /predict/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        served.wait_for_begin(1)
        probe.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not has_answer(probe, 0.5)
        served.let_go(1)
        assert has_answer(probe, 20)


def has_answer(connection: RawConnection, seconds: float) -> bool:
    """Does something come within so many seconds?"""
    connection.socket.settimeout(seconds)
    try:
        return bool(connection.socket.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False
