"""Requests to the inference server behind a model: what to send, and what to send back.

Nothing here does I/O; each front sends with its own client.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from datarobot_drum.drum.errors import (
    DrumError,
    MalformedRequest,
    NotFound,
    UpstreamError,
    UpstreamTimeout,
)
from datarobot_drum.drum.payloads import status_json
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.response_headers import FIXED_HEADERS, REQUEST_ID_HEADERS

if TYPE_CHECKING:
    from datarobot_drum.drum.upstream import Upstream

Pairs = list[tuple[bytes, bytes]]

#: Between two neighbours only (RFC 9110, section 7.6.1), besides those that `Connection` names.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
#: The client's own name for this server, and a question that this server has answered.
NOT_SENT_ON = HOP_BY_HOP | {b"host", b"expect"}
#: What this server says itself on every answer.
OWN_HEADERS = frozenset(
    name.lower().encode() for name in (*REQUEST_ID_HEADERS, *(name for name, _ in FIXED_HEADERS))
)
NOT_SENT_BACK = HOP_BY_HOP | OWN_HEADERS | {b"server", b"date"}

HEALTH_TIMEOUT = 5.0
CONNECT_TIMEOUT = 10.0
#: More of a health answer is not passed on.
HEALTH_BYTES = 64 * 1024
#: Those that have no body, whatever their headers say (RFC 9110, section 15).
NO_BODY = frozenset({204, 304})
TOLD_ROUTES = ("/directAccess", "/nim")


@dataclass(frozen=True)
class Plan:
    """One request to an inference server.

    `target` is what stands in the request line, byte for byte as the client sent it: no client
    library may normalise it. It begins with a slash and goes to `address` whatever it holds.
    """

    server: str
    method: str
    address: str
    target: bytes
    headers: Pairs
    has_body: bool
    timeout: float

    @property
    def length(self) -> int | None:
        """The length of the body, where the request tells it."""
        told = dict(self.headers).get(b"content-length", b"")
        return int(told) if told.isdigit() else None


def extensions(plan: Plan) -> dict[str, Any]:
    """What httpx is told besides method, address, headers and body."""
    connect = min(plan.timeout, CONNECT_TIMEOUT)
    patience = dict.fromkeys(("read", "write", "pool"), plan.timeout)
    return {"target": plan.target, "timeout": {"connect": connect, **patience}}


def tls_context() -> ssl.SSLContext:
    """For connections to inference servers, which are checked when they use TLS."""
    return ssl.create_default_context()


def quoted(path: bytes) -> bytes:
    """A decoded path as a request line has it, for servers that do not tell the raw one."""
    return quote_from_bytes(path, safe="/:@!$&'()*+,;=~").encode()


@dataclass(frozen=True)
class Incoming:
    """A request as it came: the path in its raw spelling, the query without its mark."""

    method: str
    raw_path: bytes
    query: bytes
    headers: Iterable[tuple[bytes, bytes]]


def plan(upstream: Upstream, request: Incoming, prefix: str) -> Plan:
    """What to send to `upstream` for a request below `/directAccess/` or `/nim/`.

    NotFound when the path leaves nothing to send on, or begins with two slashes, as an address
    without a scheme does.
    """
    headers = [(name.lower(), value) for name, value in request.headers]
    chunked = any(name == b"transfer-encoding" for name, _ in headers)
    kept = _end_to_end(headers, NOT_SENT_ON)
    if chunked:
        kept = [pair for pair in kept if pair[0] != b"content-length"]
    length = next((value for name, value in kept if name == b"content-length"), b"0")
    target = _subpath(request.raw_path, prefix)
    if request.query:
        target += b"?" + request.query
    return Plan(
        server=upstream.name,
        method=request.method,
        address=upstream.address,
        target=target,
        headers=kept,
        has_body=chunked or length.strip(b"0 ") != b"",
        timeout=upstream.timeout,
    )


def _subpath(raw_path: bytes, prefix: str) -> bytes:
    depth = prefix.count("/") + 2
    parts = raw_path.split(b"/", depth)
    head = unquote_to_bytes(b"/".join(parts[:depth])).decode("latin-1")
    rest = parts[depth] if len(parts) > depth else b""
    is_nowhere = not rest or unquote_to_bytes(rest[:3]).startswith(b"/")
    if head not in {prefix + route for route in TOLD_ROUTES} or is_nowhere:
        raise NotFound("no such path; see the documentation for the routes")
    return b"/" + rest


def health_plan(upstream: Upstream) -> Plan:
    """The question whether `upstream` is ready."""
    return Plan(
        server=upstream.name,
        method="GET",
        address=upstream.address,
        target=upstream.health_path.encode("latin-1"),
        headers=[(b"accept", b"*/*")],
        has_body=False,
        timeout=HEALTH_TIMEOUT,
    )


def reply_headers(server: str, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Pairs:
    """The headers of an answer that go back to the client, repeated ones as they came.

    UpstreamError when the answer has a status that no client could understand.
    """
    if not _is_known(status):
        raise UpstreamError(f"the {server} server answered with the status {status}")
    kept = _end_to_end(list(headers), NOT_SENT_BACK)
    if status in NO_BODY:
        kept = [pair for pair in kept if pair[0].lower() != b"content-length"]
    return kept


def _is_known(status: int) -> bool:
    return 200 <= status <= 599


def _end_to_end(headers: Pairs, dropped: frozenset[bytes]) -> Pairs:
    named = {
        option.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in dropped and name.lower() not in named
    ]


@dataclass(frozen=True)
class Health:
    """What came of the question for health: a status and a text."""

    status: int
    text: str

    @property
    def is_good(self) -> bool:
        """May traffic come?"""
        return 200 <= self.status < 300

    @classmethod
    def answered(cls, status: int, body: bytes) -> Health:
        """The inference server told its state.

        The answer made of it has a body: 204 becomes 200; 304 and what is no status become 503.
        """
        if status in NO_BODY or not _is_known(status):
            status = 200 if status == 204 else 503
        return cls(status, body.decode("utf-8", "replace"))

    @classmethod
    def failed(cls, error: Exception, server: str) -> Health:
        """There was no answer; the text names no host."""
        if isinstance(failure(error, server, HEALTH_TIMEOUT), UpstreamTimeout):
            return cls(503, f"Timeout waiting for {server} health route to respond.")
        return cls(503, f"{server} server is not ready: it does not accept connections")

    def reply(self) -> Reply:
        """The answer of the health routes."""
        return Reply(self.status, status_json({"message": self.text}))


def failure(error: Exception, server: str, timeout: float) -> DrumError:
    """What to tell a client of an error of the HTTP client; its cause is for the log."""
    import httpx

    found: DrumError
    if isinstance(error, httpx.ConnectTimeout):
        found = UpstreamTimeout(f"the {server} server does not accept connections; try again later")
    elif isinstance(error, httpx.TimeoutException):
        found = UpstreamTimeout(
            f"the {server} server did not answer within {timeout:g} s; try again later"
        )
    elif isinstance(error, httpx.LocalProtocolError):
        found = MalformedRequest("the request cannot be sent on; check its path and headers")
    else:
        found = UpstreamError(f"the {server} server cannot be reached; try again later")
    found.__cause__ = error
    return found
