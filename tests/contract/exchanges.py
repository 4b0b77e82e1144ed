"""One request on its way to a front and the answer on its way back, the same for every front."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

Headers = tuple[tuple[str, str], ...]

#: Seconds after which a front that says nothing has failed.
PATIENCE = 20


@dataclass(frozen=True)
class Request:
    """What a client sends.

    `chunked` bodies go in several pieces, without a declared length. After a body that `stalls`
    the client keeps the connection open and sends no more, though the body is not complete.
    """

    method: str = "GET"
    path: str = "/"
    headers: Headers = ()
    body: bytes = b""
    chunked: bool = False
    stalls: bool = False

    @property
    def sent_headers(self) -> Headers:
        """All headers, those that any client adds included."""
        names = {name.lower() for name, _ in self.headers}
        added = [] if "host" in names else [("Host", "testserver")]
        if self.chunked:
            added.append(("Transfer-Encoding", "chunked"))
        elif "content-length" not in names and (self.body or self.method in ("POST", "PUT")):
            added.append(("Content-Length", str(len(self.body))))
        return (*added, *self.headers)

    @property
    def pieces(self) -> list[bytes]:
        """The body as it travels."""
        if not self.chunked:
            return [self.body]
        middle = len(self.body) // 2
        return [piece for piece in (self.body[:middle], self.body[middle:]) if piece]


@dataclass(frozen=True)
class Answer:
    """What a client received."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The only header of that name, in any case; None if it is not there."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    @property
    def media_type(self) -> str:
        """The content type without parameters."""
        return (self.header("Content-Type") or "").partition(";")[0]

    def json(self) -> Any:
        """The body as strict JSON: no NaN."""
        return json.loads(self.body, parse_constant=_refuse)


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


class Exchange:
    """An answer while it arrives: the front's thread puts it in, the test takes it out."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self.left = False
        self._head: tuple[int, Headers] | None = None

    def start(self, status: int, headers: Headers) -> None:
        """Called by the front with the head of the answer."""
        self._queue.put((status, headers))

    def put(self, piece: bytes) -> None:
        """Called by the front with each piece of the body."""
        if piece:
            self._queue.put(piece)

    def end(self, error: BaseException | None = None) -> None:
        """Called by the front when there is no more."""
        self._queue.put(error)

    def _take(self) -> Any:
        try:
            item = self._queue.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError(f"nothing came for {PATIENCE} s") from None
        if isinstance(item, BaseException):
            raise item
        return item

    def head(self) -> tuple[int, Headers]:
        """Status and headers, as soon as they are there."""
        if self._head is None:
            self._head = self._take()
            assert self._head is not None, "the front ended without an answer"
        return self._head

    def pieces(self) -> Iterator[bytes]:
        """The pieces of the body, each as soon as it is there."""
        self.head()
        while (piece := self._take()) is not None:
            yield piece

    def answer(self) -> Answer:
        """The whole answer."""
        status, headers = self.head()
        return Answer(status, headers, b"".join(self.pieces()))

    def close(self) -> None:
        """The client leaves before the end."""
        self.left = True


def eventually(holds: Callable[[], bool]) -> None:
    """Return as soon as it holds; for what another thread does without telling anybody."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.001)


def plain(headers: Mapping[str, str]) -> Headers:
    """Headers of a table as a request has them."""
    return tuple(headers.items())
