"""A connection that is kept, seen through the socket that Gunicorn's parser reads from."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from datarobot_drum.drum.gunicorn import guarded_socket
from datarobot_drum.drum.gunicorn.guarded_socket import GuardedSocket
from datarobot_drum.drum.observability.record import Recorder
from datarobot_drum.drum.root_predictors.edge import Edge

REQUEST = b"GET /ping/ HTTP/1.1\r\nHost: a\r\n\r\n"
MINUTE = 60.0

Keep = Callable[[float, Callable[[], bool]], GuardedSocket]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_socket, "STOP_INTERVAL", 0.01)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    server, client = socket.socketpair()
    with server, client:
        yield server, client


@pytest.fixture
def client(pair: tuple[socket.socket, socket.socket]) -> socket.socket:
    return pair[1]


@pytest.fixture
def keep(pair: tuple[socket.socket, socket.socket]) -> Keep:
    def kept(seconds: float, is_alive: Callable[[], bool]) -> GuardedSocket:
        """A connection whose first request has been read."""
        edge = Edge(Recorder(), MINUTE, seconds, MINUTE)
        connection = GuardedSocket(pair[0], edge, seconds, is_alive)
        pair[1].sendall(REQUEST)
        assert connection.recv(1024) == REQUEST
        return connection

    return kept


def test_next_request_is_read_after_the_worker_was_told_to_stop(
    keep: Keep, client: socket.socket
) -> None:
    asked = threading.Event()

    def is_alive() -> bool:
        asked.set()
        return False

    connection = keep(MINUTE, is_alive)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(connection.recv, 1024)
        assert asked.wait(MINUTE)
        client.sendall(REQUEST)
        assert reading.result(MINUTE) == REQUEST


def test_stopping_worker_ends_a_connection_that_nobody_uses(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_socket, "KEPT_AFTER_STOP", 0.02)
    assert keep(MINUTE, lambda: False).recv(1024) == b""


def test_connection_ends_after_its_keep_alive_time(keep: Keep) -> None:
    assert keep(0.02, lambda: True).recv(1024) == b""
