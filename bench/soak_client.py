"""Connections of the soak's clients, the answers on them, and the count of what became of all."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import httptools

#: faults that are kept to be read; more are only counted
KEPT_FAULTS = 20


class Fault(Exception):
    """A wrong answer, or none."""


@dataclass
class Tally:
    """What became of the requests of one server's clients."""

    right: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    by_worker: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    fault_count: int = 0

    @property
    def requests(self) -> int:
        """All that were sent, also those that the client left before their end."""
        return self.right.total() + self.left.total() + self.fault_count

    def as_json(self) -> dict[str, object]:
        """What `json` can write."""
        return {
            "right": dict(self.right),
            "left": dict(self.left),
            "faults": self.faults,
            "fault_count": self.fault_count,
        }

    def fault(self, text: str) -> None:
        """Count a wrong answer or a lost request."""
        self.fault_count += 1
        if len(self.faults) < KEPT_FAULTS:
            self.faults.append(text[:300])


class Answer:
    """One answer, fed to a parser as it comes."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.complete = False
        self.has_length = False
        self._has_head = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """The next bytes; none when the server has closed the connection."""
        if data:
            self._parser.feed_data(data)
        elif self._has_head and not self.has_length:
            self.complete = True
        else:
            raise Fault(f"the connection ended within an answer, after {len(self.body)} bytes")

    @property
    def status(self) -> int:
        """The HTTP status; 0 before it has come."""
        return int(self._parser.get_status_code()) if self._has_head else 0

    @property
    def keeps_alive(self) -> bool:
        """May the connection be used again?"""
        return self.has_length and bool(self._parser.should_keep_alive())

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self.has_length = True

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self.body += data

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.complete = True


class Connection:
    """A connection to the server; made by `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def read(self, size: int = 65536) -> bytes:
        """What has come; nothing at the end."""
        return await self._reader.read(size)

    async def answer(self) -> Answer:
        """The next answer, whole."""
        answer = Answer()
        while not answer.complete:
            answer.feed(await self.read())
        return answer

    def reset(self) -> None:
        """Drop the connection, whatever is under way."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the connection in order."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return


async def connect(port: int) -> Connection:
    """A new connection to a loopback port."""
    return Connection(*await asyncio.open_connection("127.0.0.1", port))
