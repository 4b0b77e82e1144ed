"""200 connections of `slowhttptest` do not stop other clients.

What a slow client costs is in docs/LIMITS.md; the same with plain sockets is in
test_slow_clients.py.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.conftest import RunningServer, ServerContext
from tests.operations.http_requests import BODY, post
from tests.operations.raw_http import exchange, status_of

pytestmark = pytest.mark.tools

MODEL = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
CONNECTIONS = 200
#: Header timeout of the server; the tool sends something every second.
SECONDS = 2
ATTACKS = {
    "headers": ("-H", "-x", "20", "-u", "{url}/predict/"),
    "body": ("-B", "-s", "8192", "-x", "10", "-u", "{url}/predict/"),
    "read": ("-X", "-k", "10", "-w", "10", "-y", "20", "-n", "1", "-z", "5", "-u", "{url}/info/"),
}


@dataclass
class Prober(threading.Thread):
    """A client that predicts, on a new connection each time, until it is told to stop."""

    port: int
    statuses: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    # the identity of the thread, not of its figures
    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        request = post(b"Connection: close", b"Content-Length: 8", body=BODY)
        while not self.over.wait(0.02):
            begun = time.monotonic()
            self.statuses.append(status_of(exchange(self.port, request)))
            self.times.append(time.monotonic() - begun)


@contextmanager
def probed(port: int) -> Iterator[Prober]:
    """A prober that runs as long as the block."""
    prober = Prober(port)
    prober.start()
    yield prober
    prober.over.set()
    prober.join(30)


def attack(server: RunningServer, name: str, seconds: int) -> str:
    """What slowhttptest says of such an attack."""
    words = [word.format(url=server.url) for word in ATTACKS[name]]
    pace = ("-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-i", "1", "-l", str(seconds))
    command = ["slowhttptest", *words, *pace, "-p", "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


@pytest.fixture(scope="module", params=["fastapi", "gevent", "gthread"])
def server(
    request: pytest.FixtureRequest, running_server: ServerContext
) -> Iterator[RunningServer]:
    """A server that can wait for many clients at a time."""
    env = {"DRUM_UVICORN_HEADER_TIMEOUT": str(SECONDS)}
    chosen = "fastapi" if request.param == "fastapi" else "gunicorn"
    if chosen == "gunicorn":
        env["DRUM_GUNICORN_WORKER_CLASS"] = request.param
    arguments = (MODEL, "--target-type", "regression", "--logging-level", "info")
    with running_server(*arguments, server_type=chosen, env=env) as running:
        yield running


@pytest.mark.parametrize("name", ["headers", "body"])
def test_slow_senders_are_all_cut_and_nobody_else_notices(server, name):
    cut_before = server.log.count("did not arrive in time")
    with probed(server.port) as prober:
        report = attack(server, name, 3 * SECONDS)
    assert set(prober.statuses) == {200}, report
    assert (len(prober.times) > 20, max(prober.times) < 2) == (True, True), sorted(prober.times)[
        -5:
    ]
    # the tool's own probe comes on top
    assert server.log.count("did not arrive in time") - cut_before >= CONNECTIONS


def test_slow_readers_do_not_stop_others(server):
    with probed(server.port) as prober:
        report = attack(server, "read", SECONDS)
    assert set(prober.statuses) == {200}, report
    assert (len(prober.times) > 20, max(prober.times) < 2) == (True, True), sorted(prober.times)[
        -5:
    ]
