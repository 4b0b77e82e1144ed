"""Uvicorn's HTTP protocol behind our framing and deadlines.

What Uvicorn lets through or limits otherwise than Gunicorn is decided here, by the core; its own
parser only sees what the framing has given out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from datarobot_drum.drum.errors import DrumError, Overloaded, RefusedRequest
from datarobot_drum.drum.root_predictors.edge import (
    LINGER,
    LINGER_BYTES,
    BodyClock,
    Edge,
    ReaderClock,
    too_slow,
)
from datarobot_drum.drum.root_predictors.framing import Framing

logger = logging.getLogger("drum.fastapi")

#: The methods that the parser is told of. It refuses those that it does not know, and does more
#: than we want for some that it knows; any other is parsed as POST and answered by its own name.
PARSED_METHODS = frozenset(
    {b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"}
)
PARSED_AS = b"POST"

#: Connections that were accepted, but have not shaken hands for TLS.
shaking_hands: WeakSet[GuardedProtocol] = WeakSet()

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `sweep` must be called now and then: it is the clock of all deadlines."""

    def __init__(self, *args: Any, edge: Edge, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._edge = edge
        self._framing = Framing()
        self._clock = BodyClock(edge)
        self._watched: object = None
        # when the server began to wait for a head; 0 while it does not
        self._head_since = 0.0
        self._refusal: DrumError | None = None
        self._linger_until = 0.0
        self._lingered = 0
        self._reader = ReaderClock(edge)
        self._unsent = 0
        #: the answer that is being sent is the last one
        self.closes = False
        shaking_hands.add(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        shaking_hands.discard(self)
        self._head_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        if self._linger_until or self._refusal is not None:
            self._throw_away(data)
            return
        self._unset_keepalive_if_required()
        framing = self._framing
        try:
            framing.add(data)
            while piece := framing.take():
                self._parse(piece)
        except (RefusedRequest, Overloaded) as error:
            self._refuse(error)
            return
        if framing.in_body:
            self._watch_body()
            self._clock.got(len(data))
        elif framing.in_head:
            self._head_since = self._head_since or self.loop.time()

    def _parse(self, piece: bytes) -> None:
        head = self._framing.head
        if head is not None and piece is head.data:
            self._head_since = 0.0
            self._check_room()
            if head.method not in PARSED_METHODS:
                piece = PARSED_AS + piece[len(head.method) :]
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserError as error:
            raise RefusedRequest("the request cannot be read") from error

    def _check_room(self) -> None:
        limit = self._edge.limit_concurrency
        if limit and (len(self.connections) > limit or len(self.tasks) >= limit):
            raise Overloaded("too many connections; try again later")

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        head = self._framing.head
        assert head is not None  # noqa: S101  # the parser got its bytes
        cycle = self.cycle
        if head.method not in PARSED_METHODS:
            self.scope["method"] = head.method.decode("ascii")
        if head.closes:
            cycle.keep_alive = False
        if head.version == b"1.0":
            # RFC 9110, 10.1.1: the expectation is ignored
            cycle.waiting_for_100_continue = False

    def _watch_body(self) -> None:
        """Time a body that did not come with its head, and let the app know what becomes of it."""
        if self._watched is self._framing.head:
            return
        self._watched = self._framing.head
        self._clock.restart()
        cycle = self.cycle
        # the app is not running yet: it gets these
        vars(cycle)["receive"] = _receive_or_fail(self, cycle, cycle.receive)
        vars(cycle)["send"] = _send_and_close(self, cycle, cycle.send)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client sends nothing more: it has left, or its body is cut off."""
        try:
            self._framing.end()
        except RefusedRequest as error:
            if self._refusal is None and not self._idle():
                self._refuse(error)
                # TLS cannot keep one half of a connection
                return self.scheme == "http" and not self.transport.is_closing()
        return None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.closes:
            self._linger()
        elif self._refusal is not None:
            self._refuse(self._refusal)
        elif self._framing.in_head and not self.transport.is_closing():
            self._head_since = self.loop.time()

    def sweep(self, now: float, seconds: float) -> None:
        """Check the deadlines; `seconds` have passed since the last time."""
        if self._linger_until:
            if now > self._linger_until:
                self.transport.close()
        elif self._refusal is None and not self.flow.read_paused:
            self._check_sender(now, seconds)
        self._check_reader(seconds)

    def _check_sender(self, now: float, seconds: float) -> None:
        timeout = self._edge.header_timeout
        if self._framing.in_body:
            left = self._clock.left()
            self._clock.wait(seconds)
            if left is not None and left <= 0:
                self._refuse(too_slow("the request body"))
        elif timeout and self._head_since and now - self._head_since > timeout and self._idle():
            self._refuse(too_slow("the request head"))

    def _check_reader(self, seconds: float) -> None:
        """Abort a connection whose client takes nothing of what waits for it."""
        unsent = self.transport.get_write_buffer_size()
        if unsent or self._unsent:
            self._reader.wait(seconds if unsent else 0.0, max(0, self._unsent - unsent))
        self._unsent = unsent
        if self._reader.left <= 0:
            logger.info("closed the connection of a client that did not read its answer")
            self.transport.abort()

    def _idle(self) -> bool:
        """Is no request in progress?"""
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _refuse(self, error: DrumError) -> None:
        """Answer the error after the requests before it, and close."""
        self._refusal = error
        if self._idle():
            self._answer_and_close(error)
        elif self._framing.in_body:
            self._fail(error)
        else:
            # the requests before it are answered first: on_response_complete
            self.flow.pause_reading()

    def _fail(self, error: DrumError) -> None:
        """Let the app answer the request whose body has the error."""
        self._watch_body()
        self.cycle.message_event.set()
        if self.cycle.response_started:
            self.transport.close()

    def _answer_and_close(self, error: DrumError) -> None:
        client = self.client[0] if self.client else ""
        head = self._framing.head
        # one that is refused for want of room was taken as a whole
        taken = head.data if head is not None and isinstance(error, Overloaded) else b""
        self.transport.write(self._edge.refuse(error, taken or self._framing.start, client))
        self._linger()

    def _linger(self) -> None:
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        # what the client still sends is read: a reset would take the answer from it
        self.transport.write_eof()
        self.flow.resume_reading()
        self._linger_until = self.loop.time() + LINGER

    def _throw_away(self, data: bytes) -> None:
        if self._linger_until:
            self._lingered += len(data)
        if self._lingered > LINGER_BYTES:
            self.transport.close()

    @property
    def lacks_body(self) -> bool:
        """Must more be read before the body can be over?"""
        return self._framing.in_body

    @property
    def refusal(self) -> DrumError | None:
        """Why the connection is about to be closed."""
        return self._refusal


def _receive_or_fail(protocol: GuardedProtocol, cycle: Any, receive: Receive) -> Receive:
    """`receive`, but it raises the error of a body that is malformed or too slow."""

    async def receive_or_fail() -> Any:
        message = await receive()
        if cycle.more_body and protocol.refusal is not None and protocol.cycle is cycle:
            raise protocol.refusal
        return message

    return receive_or_fail


def _send_and_close(protocol: GuardedProtocol, cycle: Any, send: Send) -> Send:
    """`send`, but the answer to a request without its whole body is the last one."""

    async def send_and_close(message: Any) -> None:
        is_start = message["type"] == "http.response.start"
        if not is_start or protocol.cycle is not cycle or not protocol.lacks_body:
            await send(message)
            return
        kept, cycle.keep_alive = cycle.keep_alive, False
        await send(message)
        # the client was told; the protocol itself closes, after what is still on its way
        cycle.keep_alive = kept
        protocol.closes = True

    return send_and_close


async def sweep(connections: set[Any], edge: Edge) -> None:
    """Check the deadlines of all connections, for ever."""
    interval = min(1.0, max(0.05, edge.header_timeout / 10)) if edge.header_timeout else 1.0
    loop = asyncio.get_running_loop()
    before = loop.time()
    while True:
        await asyncio.sleep(interval)
        now = loop.time()
        for connection in list(connections):
            connection.sweep(now, now - before)
        before = now
