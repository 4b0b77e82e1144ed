"""A lean HTTP/1.1 client: what measures must cost little beside what is measured.

One request at a time on a connection, which is used again where the server lets it. The bytes of
a request are made once for all.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from datarobot_drum.drum.errors import UsageError

#: So much of a refusal is kept for the user to read.
SAMPLE_BYTES = 600
CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Target:
    """Where requests go."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None = None

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"


@dataclass(frozen=True)
class Answer:
    """The status of an answer and the beginning of its body."""

    status: int
    sample: bytes

    @property
    def is_good(self) -> bool:
        """Did the server do what it was asked?"""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """What went wrong, for the user."""
        return f"HTTP {self.status}: {self.sample.decode(errors='replace').strip()}"


def target_of(url: str, *, verify: bool = True) -> Target:
    """The target of an http(s) URL; UsageError when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"cannot read the address {url!r}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no address of a server; use http://HOST:PORT")
    tls = None
    if parts.scheme == "https":
        tls = ssl.create_default_context()
        if not verify:
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return Target(parts.hostname, port or (443 if tls else 80), path or "/", tls)


def csv_request(target: Target, body: bytes) -> bytes:
    """A POST of a CSV file as the form field `X`, all its bytes."""
    boundary = secrets.token_hex(16)
    part = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="X"; filename="X.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    ).encode()
    end = f"\r\n--{boundary}--\r\n".encode()
    host = target.base.partition("://")[2]
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n"
        f"User-Agent: drum-perf-test\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n"
        f"Content-Length: {len(part) + len(body) + len(end)}\r\n\r\n"
    ).encode()
    return b"".join((head, part, body, end))


class Connection(asyncio.Protocol):
    """One connection; make it with `connect`."""

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._sample = bytearray()
        self._has_length = False
        self._has_head = False

    async def send(self, request: bytes) -> Answer:
        """The answer to a request; ConnectionError when the server gave none."""
        if self._transport is None or not self.is_open:
            raise ConnectionError("the server closed the connection")
        self._begin()
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Close it now; what was still to be sent is dropped."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport, self.is_open = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the answer is no HTTP: {error}"))
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop; an answer without a length ends here."""
        self.is_open = False
        if self._has_head and not self._has_length:
            self._complete()
        self._fail(ConnectionError(str(error or "the server closed the connection")))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        """Called by the parser; most of the body is thrown away."""
        if len(self._sample) < SAMPLE_BYTES:
            self._sample += body[:SAMPLE_BYTES]

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if not self._parser.should_keep_alive():
            self.is_open = False
        self._complete()

    def _complete(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            answer = Answer(self._parser.get_status_code(), bytes(self._sample[:SAMPLE_BYTES]))
            self._waiting.set_result(answer)
        if not self.is_open:
            self.close()

    def _fail(self, error: ConnectionError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


async def connect(target: Target) -> Connection:
    """A new connection; OSError or TimeoutError when the server does not take it."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_SECONDS):
        _, connection = await loop.create_connection(
            Connection, target.host, target.port, ssl=target.tls
        )
    return connection


class Pool:
    """Connections that are free again, the last one first."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._free: list[Connection] = []

    async def send(self, request: bytes) -> Answer:
        """Send on a free connection, or on a new one.

        A server may close a connection just when it is used again: then a new one is tried.
        """
        while self._free:
            connection = self._free.pop()
            if connection.is_open:
                try:
                    return await self._sent(connection, request)
                except ConnectionError:
                    break
        return await self._sent(await connect(self._target), request)

    async def _sent(self, connection: Connection, request: bytes) -> Answer:
        answer = await connection.send(request)
        if connection.is_open:
            self._free.append(connection)
        return answer

    def close(self) -> None:
        """Close what is free."""
        for connection in self._free:
            connection.close()
        self._free.clear()
