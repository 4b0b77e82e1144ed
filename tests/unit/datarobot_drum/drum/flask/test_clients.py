"""The watch of connections whose clients may leave."""

from __future__ import annotations

import socket
import threading

import pytest

from datarobot_drum.drum.flask.clients import ConnectionWatch


def is_noticed(watch: ConnectionWatch) -> bool:
    """Does the watch tell that a client has left?"""
    left = threading.Event()
    server, client = socket.socketpair()
    with server, watch.watch(server, left.set):
        client.close()
        return left.wait(5)


def test_client_that_leaves_is_noticed() -> None:
    assert is_noticed(ConnectionWatch())


def test_connection_that_is_closed_already_does_not_end_the_watch() -> None:
    watch, closed = ConnectionWatch(), socket.socket()
    closed.close()
    with watch.watch(closed, lambda: None):
        assert is_noticed(watch)


def test_request_that_cannot_be_ended_does_not_end_the_watch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise OSError("no more")

    watch = ConnectionWatch()
    server, client = socket.socketpair()
    client.close()
    with server, watch.watch(server, fail):
        assert is_noticed(watch)
    assert "cannot end the request" in caplog.text
