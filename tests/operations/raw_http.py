"""HTTP over a bare socket, for requests that no client library would send."""

from __future__ import annotations

import contextlib
import socket
from types import TracebackType

PATIENCE = 30.0


class RawConnection:
    """One connection; `status` and `body` are of the last answer that was read."""

    def __init__(self, port: int, timeout: float = PATIENCE) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._left = b""

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are; a server that has hung up already is no error."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def read_until_closed(self) -> bytes:
        """All that comes until the server closes the connection; TimeoutError if it does not."""
        with contextlib.suppress(ConnectionResetError):
            while piece := self.socket.recv(65536):
                self._left += piece
        data, self._left = self._left, b""
        return data

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Status and headers (names in lower case) of the next answer."""
        while b"\r\n\r\n" not in self._left:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError(f"closed after {self._left!r}")
            self._left += piece
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def read_answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer, which must have a Content-Length."""
        status, headers = self.read_head()
        length = int(headers.get("content-length", "0"))
        while len(self._left) < length:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("closed in the middle of a body")
            self._left += piece
        body, self._left = self._left[:length], self._left[length:]
        return status, headers, body


def status_of(answer: bytes) -> int:
    """The status of the first answer in `answer`, or 0 if there is none."""
    line = answer.split(b"\r\n", 1)[0].split()
    return int(line[1]) if len(line) > 1 and line[0].startswith(b"HTTP/") else 0


def exchange(port: int, request: bytes, timeout: float = PATIENCE, *, ends: bool = False) -> bytes:
    """Send bytes, and their end if asked to, then read until the server closes the connection."""
    with RawConnection(port, timeout) as connection:
        connection.send(request)
        if ends:
            connection.socket.shutdown(socket.SHUT_WR)
        return connection.read_until_closed()
