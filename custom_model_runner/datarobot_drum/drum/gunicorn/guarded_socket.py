"""A client's socket as Gunicorn's workers see it: well framed, with a limit for every wait."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from datarobot_drum.drum.errors import DrumError, RefusedRequest
from datarobot_drum.drum.root_predictors.deadlines import NOT_RECEIVED, current_deadline
from datarobot_drum.drum.root_predictors.edge import BodyClock, Edge, ReaderClock, too_slow
from datarobot_drum.drum.root_predictors.framing import Framing

logger = logging.getLogger("drum.server")

READ_BYTES = 8192
#: Sockets that are asked first without a time limit, which saves two calls of the system each
#: time. Those of TLS take no flags; those of gevent, and any with a timeout, wait nevertheless.
PLAIN = socket.socket
#: Seconds after which a wait for the next request looks whether the worker is being stopped.
STOP_INTERVAL = 1.0
#: Seconds that a kept connection stays open then, for a request that its client may be sending
#: already (Gunicorn's threads do the same).
KEPT_AFTER_STOP = 2.0


class GuardedSocket:
    """What Gunicorn's parser reads from and its responses are written to.

    `recv` gives out what the framing has let through, heads whole; it raises RefusedRequest for
    what is malformed or too slow, DeadlineExceeded when the request that is being answered has no
    time left for its body, and says the end of the connection when a client that has been
    answered sends no further request for `keep_alive` seconds, or soon after the worker stops.
    `request` is the one that is being answered; after an error it closes the connection.
    """

    def __init__(
        self, sock: Any, edge: Edge, keep_alive: float, is_alive: Callable[[], bool]
    ) -> None:
        self._socket = sock
        self._is_plain = type(sock) is PLAIN
        self._edge = edge
        self._keep_alive = keep_alive
        self._is_alive = is_alive
        self._framing = Framing()
        self._clock = BodyClock(edge)
        self._reader = ReaderClock(edge)
        self._head_since: float | None = time.monotonic()
        self._ready = b""
        self._error: RefusedRequest | None = None
        self._is_shut = False
        self._request: Any = None
        #: nothing came any more on a connection that was kept, so that nothing is in the way
        self.was_idle = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    @property
    def start(self) -> bytes:
        """The beginning of what the parser has not got."""
        return self._framing.start

    @property
    def in_head(self) -> bool:
        """Has the head of a request begun that is not over?"""
        return self._framing.in_head

    def answer(self, request: Any) -> None:
        """`request` is answered from now on."""
        self._request = request
        head = self._framing.head
        if head is not None and head.closes:
            request.force_close()
        own_rule = request.should_close
        is_last: bool | None = None

        def should_close() -> bool:
            nonlocal is_last
            if is_last is None:
                # a worker that ends after this was told must keep the promise
                is_last = not self._is_alive()
            # asked when the head of the answer is sent: a body that is not there is not waited
            # for. Asked again when the next request has begun, whose body is another matter.
            lacks_body = self._framing.head is head and self._framing.lacks_body
            return lacks_body or is_last or own_rule()

        request.should_close = should_close

    def look_ahead(self) -> bool:
        """Is there a whole head, or an error, in what was read already?"""
        if not self._ready and self._error is None:
            try:
                self._ready = self._take()
            except RefusedRequest as error:
                self._error = error
        return bool(self._ready) or self._error is not None

    def fill(self) -> bool:
        """Read what is there, without waiting; True when a thread should look at it."""
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        if not data:
            # a thread that reads again finds the same end
            return True
        self._framing.add(data)
        return self.look_ahead()

    def recv(self, size: int) -> bytes:
        """What the parser may see next; empty at the end of the connection."""
        if self._is_shut:
            data: bytes = self._socket.recv(size)
            return data
        try:
            return self._recv(size)
        except DrumError:
            if self._request is not None:
                self._request.force_close()
            raise

    def _recv(self, size: int) -> bytes:
        if self._error is not None:
            raise self._error
        piece, self._ready = self._ready, b""
        while not (piece := piece or self._take()):
            data = self._wait_for(max(size, READ_BYTES))
            if not data:
                self._framing.end()
                return b""
            self._framing.add(data)
        return piece

    def _take(self) -> bytes:
        head = self._framing.head
        piece = self._framing.take()
        if self._framing.head is not head:
            self._head_since = None
            self._request = None
            self._clock.restart()
        return piece

    def _wait_for(self, size: int) -> bytes:
        if self._framing.in_body:
            return self._wait_for_body(size)
        if self._head_since is None:
            if not self._framing.in_head:
                return self._wait_for_next(size)
            self._head_since = time.monotonic()
        timeout = self._edge.header_timeout
        left = self._head_since + timeout - time.monotonic() if timeout else None
        data = self._read(size, left)
        if data is None:
            raise too_slow("the request head")
        return data

    def _wait_for_body(self, size: int) -> bytes:
        begun, left = time.monotonic(), self._clock.left()
        deadline = current_deadline.get()
        is_shorter = deadline is not None and (left is None or deadline.left <= left)
        data = self._read(size, deadline.left if deadline is not None and is_shorter else left)
        self._clock.wait(time.monotonic() - begun)
        if data is None:
            if deadline is not None and is_shorter:
                raise deadline.error(NOT_RECEIVED)
            raise too_slow("the request body")
        self._clock.got(len(data))
        return data

    def _wait_for_next(self, size: int) -> bytes:
        deadline, is_ending = time.monotonic() + self._keep_alive, False
        while (left := deadline - time.monotonic()) > 0:
            if not is_ending and not self._is_alive():
                # the answer before may have promised to keep it: the client may be sending already
                is_ending, deadline = True, min(deadline, time.monotonic() + KEPT_AFTER_STOP)
                continue
            data = self._read(size, min(left, STOP_INTERVAL))
            if data is not None:
                return data
        self.was_idle = True
        return b""

    def _read(self, size: int, seconds: float | None) -> bytes | None:
        """What comes within so many seconds; None if nothing does."""
        if seconds is not None and seconds <= 0:
            return None
        if self._is_plain and self._socket.gettimeout() is None:
            with contextlib.suppress(BlockingIOError):
                there: bytes = self._socket.recv(size, socket.MSG_DONTWAIT)
                return there
        self._socket.settimeout(seconds)
        try:
            data: bytes = self._socket.recv(size)
        except (TimeoutError, ssl.SSLError) as error:
            if not _is_timeout(error):
                raise
            return None
        return data

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Send it all; BrokenPipeError when the client takes too long to read it."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._send(view, flags) :]
        except (TimeoutError, ssl.SSLError) as error:
            if not _is_timeout(error):
                raise
            logger.info("closed the connection of a client that did not read its answer")
            raise BrokenPipeError(errno.EPIPE, "the client does not read") from error

    def _send(self, data: memoryview, flags: int) -> int:
        if self._is_plain and self._socket.gettimeout() is None:
            with contextlib.suppress(BlockingIOError):
                at_once: int = self._socket.send(data, flags | socket.MSG_DONTWAIT)
                if at_once < len(data):
                    self._reader.wait(0.0, at_once)
                return at_once
        begun = time.monotonic()
        self._socket.settimeout(self._reader.left)
        sent: int = self._socket.send(data, flags)
        self._reader.wait(time.monotonic() - begun, sent)
        if self._reader.left <= 0:
            raise TimeoutError
        return sent

    def shutdown(self, how: int) -> None:
        """Nothing more is sent; what still comes is read as it is."""
        self._is_shut = True
        self._socket.shutdown(how)


def _is_timeout(error: OSError) -> bool:
    # gevent's TLS sockets have an error of their own
    return isinstance(error, TimeoutError) or "timed out" in str(error)
