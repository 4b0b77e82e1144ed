"""Requests as bytes on a kept connection, and all that comes back, with nothing tidied up."""

from __future__ import annotations

import io
import socket
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any

PATIENCE = 60.0
#: Seconds after which a connection that nobody used is not trusted any more.
FRESH = 20.0

Fields = tuple[tuple[bytes, bytes], ...]
HOST = (b"Host", b"drum.example")


@dataclass(frozen=True)
class Sent:
    """A request; a body in `pieces` goes in that many chunks, one of 0 pieces with its length."""

    method: bytes = b"GET"
    target: bytes = b"/ping/"
    headers: Fields = ()
    body: bytes = b""
    pieces: int = 0

    @property
    def data(self) -> bytes:
        """What goes over the wire."""
        lines = [b" ".join((self.method, self.target, b"HTTP/1.1"))]
        lines += [b": ".join(pair) for pair in (*self._added(), *self.headers)]
        return b"\r\n".join([*lines, b"", b""]) + (self._chunks() if self.pieces else self.body)

    def _added(self) -> Fields:
        names = {name.lower() for name, _ in self.headers}
        added = [] if b"host" in names else [HOST]
        if self.pieces:
            added.append((b"Transfer-Encoding", b"chunked"))
        elif b"content-length" not in names and (self.body or self.method in (b"POST", b"PUT")):
            added.append((b"Content-Length", str(len(self.body)).encode()))
        return tuple(added)

    def _chunks(self) -> bytes:
        size = max(1, -(-len(self.body) // self.pieces))
        pieces = [self.body[at : at + size] for at in range(0, len(self.body), size)]
        return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


@dataclass(frozen=True)
class Received:
    """An answer with its headers as they came; `lost` tells why there is none."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    lost: str = ""

    def header(self, name: str) -> str:
        """The values of that header, joined by a comma."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)


class KeptReader(io.BufferedReader):
    """What `HTTPResponse` may close without ending the connection."""

    def close(self) -> None:
        """Keep it: bytes that come after an answer belong to the next one, and would be seen."""


class Line:
    """A connection to one server that lasts as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket: socket.socket | None = None
        self._reader: Any = None
        self._used = 0.0

    def send(self, data: bytes) -> None:
        """Send a request on the connection, or on a new one when the last was closed."""
        if time.monotonic() - self._used > FRESH:
            self.hang_up()
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
            self._reader = KeptReader(socket.SocketIO(self._socket, "rb"))
        try:
            self._socket.sendall(data)
        except ConnectionError:
            # the server may have answered before it hung up
            return

    def receive(self, method: bytes) -> Received:
        """The answer to what was sent last."""
        response = HTTPResponse(self, method=method.decode())  # type: ignore[arg-type]
        try:
            response.begin()
            body = response.read()
        except (OSError, HTTPException) as error:
            self.hang_up()
            return Received(0, lost=f"{type(error).__name__}: {error}")
        if response.will_close:
            self.hang_up()
        self._used = time.monotonic()
        return Received(response.status, tuple(response.getheaders()), body)

    def makefile(self, mode: str) -> Any:
        """Called by `HTTPResponse`, which takes this for its socket."""
        return self._reader

    def hang_up(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._reader = None
