"""Notices clients that leave while their request waits, streams or is sent on.

A WSGI server learns that only when it sends. One thread of the worker asks the kernel instead.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from datarobot_drum.drum.root_predictors.streams import StreamBuffer

logger = logging.getLogger("drum.flask")

#: Seconds between two looks at all connections.
INTERVAL = 0.2
#: The peer has closed its side; only Linux tells it apart from data that can be read.
LEFT = getattr(select, "POLLRDHUP", select.POLLHUP)
#: where Gunicorn and Werkzeug keep the connection of a request
SOCKETS = ("gunicorn.socket", "werkzeug.socket")


class ConnectionWatch:
    """The connections of one worker that somebody wants to know the end of."""

    def __init__(self) -> None:
        self._watched: dict[object, tuple[int, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._is_looking = False

    @contextmanager
    def watch(self, connection: socket.socket, on_left: Callable[[], None]) -> Iterator[None]:
        """Call `on_left`, once and from another thread, when the peer leaves meanwhile."""
        key = object()
        with self._changed:
            self._watched[key] = (connection.fileno(), on_left)
            self._changed.notify_all()
            if not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._look, name="client-watch", daemon=True).start()
        try:
            yield
        finally:
            # a closed connection's number may be given to another one
            with self._changed:
                self._watched.pop(key, None)

    def _look(self) -> None:
        poll_type = _poll_type()
        tick = threading.Event()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._watched))
            tick.wait(INTERVAL)
            with self._changed:
                for on_left in self._gone(poll_type()):
                    _tell(on_left)

    def _gone(self, poll: Any) -> list[Callable[[], None]]:
        # a connection that was closed meanwhile has none; its request ends by itself
        numbers = {number for number, _ in self._watched.values() if number >= 0}
        for number in numbers:
            poll.register(number, LEFT)
        left = {number for number, _ in poll.poll(0)}
        gone = [key for key, (number, _) in self._watched.items() if number in left]
        return [self._watched.pop(key)[1] for key in gone]


def _tell(on_left: Callable[[], None]) -> None:
    try:
        on_left()
    except Exception:
        # a bug of this program; the thread must live on for the clients of all other requests
        logger.exception("cannot end the request of a client that has left")


def _poll_type() -> Any:
    # gevent's own knows no such event; asking without waiting blocks no greenlet
    monkey = sys.modules.get("gevent.monkey")
    return select.poll if monkey is None else monkey.get_original("select", "poll")


class WsgiClient:
    """The client of one request; the connection of an unknown server is not watched."""

    def __init__(self, watch: ConnectionWatch, environ: dict[str, Any]) -> None:
        self._watch = watch
        found = (environ.get(name) for name in SOCKETS)
        self._connection = next((item for item in found if item is not None), None)

    @contextmanager
    def watch(self, on_left: Callable[[], None]) -> Iterator[None]:
        """Call `on_left` from another thread when the client leaves within the context."""
        if self._connection is None:
            yield
            return
        with self._watch.watch(self._connection, on_left):
            yield


class WatchedStream:
    """The pieces of a streamed answer, cut off when the client leaves between two of them."""

    def __init__(self, buffer: StreamBuffer, client: WsgiClient) -> None:
        self._buffer = buffer
        self._client = client
        self._has_left = False

    def __iter__(self) -> Iterator[bytes]:
        with self._client.watch(self._leave):
            yield from self._buffer
        if self._has_left:
            raise connection_reset()

    def _leave(self) -> None:
        self._has_left = True
        self._buffer.close()

    def close(self) -> None:
        """Called by the WSGI server at the end, whatever that is."""
        self._buffer.close()


def connection_reset() -> ConnectionResetError:
    """What a WSGI server takes for a client that has left, without a word in the log."""
    return ConnectionResetError(errno.ECONNRESET, "the client has left")
