"""What both production servers do at their edge: how long they wait, and how they refuse.

A request that is refused here has not reached an app; it is recorded like any other.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from datarobot_drum.drum.errors import DrumError, RefusedRequest
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.observability.masking import masked
from datarobot_drum.drum.observability.record import Record, Recorder
from datarobot_drum.drum.payloads import status_json
from datarobot_drum.drum.root_predictors.response_headers import (
    choose_request_id,
    response_headers,
)

logger = logging.getLogger("drum.server")

#: Bytes a second that a body must have on average, after its grace time.
BODY_RATE = 500
#: Seconds for which a client may take none of the answer's bytes that wait for it, or fewer in a
#: second than it must send.
WRITE_TIMEOUT = 60.0
#: Seconds that a refused client may go on sending before its connection is closed.
LINGER = 2.0
#: How many bytes of what it sends then are read.
LINGER_BYTES = 256 * 1024

_FIRST_LINE = re.compile(rb"(\S{1,40}) (\S+)(?: (\S{1,16}))?\r?\n")
_ORIGIN = re.compile(rb"\r\norigin:[ \t]*([!-~]{1,1000})[ \t]*\r\n", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"\r\nx-request-id:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)


@dataclass(frozen=True)
class Edge:
    """The limits of time of a server, and who is told of what it refuses.

    Seconds; 0 is no limit for `header_timeout` and `request_timeout`.
    """

    recorder: Recorder
    header_timeout: float
    keep_alive: float
    request_timeout: float
    limit_concurrency: int = 0
    #: headers that let a page of that origin read an answer
    cors: Callable[[str], list[tuple[str, str]]] = lambda origin: []

    @property
    def write_timeout(self) -> float:
        """Seconds in which a client must take some of its answer."""
        return min(WRITE_TIMEOUT, self.request_timeout or WRITE_TIMEOUT)

    def refuse(self, error: DrumError, start: bytes, client: str) -> bytes:
        """Record a request of which `start` has come; the bytes of its answer."""
        record = _record(start, client)
        # a thread, or a task, still has that of its former request
        self.recorder.begin(record)
        record.error = masked(str(error))
        logger.info("refused a request from %s: %s", client or "?", error)
        body = _body(error)
        record.status = error.status
        record.size = 0 if record.method == "HEAD" else len(body)
        self.recorder.end(record)
        origin = _ORIGIN.search(start)
        readable = self.cors(origin[1].decode()) if origin else []
        return _answer(error, record.request_id, body, record.size, readable)

    def answer(self, error: DrumError, origin: str = "") -> bytes:
        """The answer to a request that an app has recorded, but not answered."""
        body = _body(error)
        return _answer(
            error, request_id.get() or choose_request_id(None), body, len(body), self.cors(origin)
        )


def too_slow(what: str) -> RefusedRequest:
    """The error of a client that keeps the server waiting."""
    return RefusedRequest(
        f"{what} did not arrive in time; send it again", HTTPStatus.REQUEST_TIMEOUT
    )


class BodyClock:
    """How long a client may still take for a body; only time that is spent waiting for it counts.

    It may rest for the time that a head may take, must not fall below `BODY_RATE` for longer, and
    must be whole within the request timeout.
    """

    __slots__ = ("_edge", "_idle", "_received", "_waited")

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self.restart()

    def restart(self) -> None:
        """A body begins."""
        self._idle = 0.0
        self._waited = 0.0
        self._received = 0

    def wait(self, seconds: float) -> None:
        """The server has waited for the client."""
        self._idle += seconds
        self._waited += seconds

    def got(self, size: int) -> None:
        """Bytes have come."""
        self._idle = 0.0
        self._received += size

    def left(self) -> float | None:
        """Seconds in which something must come, none left if that is not positive; None: any."""
        edge = self._edge
        limits = [edge.request_timeout - self._waited] if edge.request_timeout else []
        if edge.header_timeout:
            earned = self._received / BODY_RATE
            limits += [
                edge.header_timeout - self._idle,
                edge.header_timeout + earned - self._waited,
            ]
        return min(limits, default=None)


class ReaderClock:
    """How long a client may still leave its answer unread: `left` seconds."""

    __slots__ = ("_limit", "left")

    def __init__(self, edge: Edge) -> None:
        self._limit = edge.write_timeout
        self.left = self._limit

    def wait(self, seconds: float, taken: int) -> None:
        """Some of the answer has waited for so long, and so many bytes of it went out."""
        self.left = min(self._limit, self.left - seconds + taken / BODY_RATE)


def _body(error: DrumError) -> bytes:
    return status_json({"message": f"{error.prefix}{error}"})


def _record(start: bytes, client: str) -> Record:
    line = _FIRST_LINE.match(start)
    # repeated ones are joined, as in the apps
    sent_id = b",".join(_REQUEST_ID.findall(start))
    method, target, protocol = line.groups() if line else (b"-", b"-", b"-")
    return Record(
        choose_request_id(sent_id.decode("latin-1")),
        method.decode("latin-1"),
        target.decode("latin-1"),
        client=client,
        protocol=(protocol or b"-").decode("latin-1"),
    )


def _answer(
    error: DrumError, request_id: str, body: bytes, size: int, more: list[tuple[str, str]]
) -> bytes:
    status = HTTPStatus(error.status)
    headers = [
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *response_headers(request_id),
        *more,
    ]
    if error.retry_after is not None:
        headers.append(("Retry-After", str(error.retry_after)))
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body[:size]
