"""Clients that send one request after the other and count exactly what became of each.

wrk counts neither what was sent nor which connection an error was on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

BODY = b"a\n1\n2\n"
HEAD = (
    b"POST /predict/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n%s\r\n"
)
PATIENCE = 60.0


@dataclass
class Tally:
    """What became of the requests.

    A request is lost when it was sent and its connection ended, or 60 s passed, without a whole
    answer, or what came was none. A connection that was refused, and one that the server closed
    before anything was sent on it, lost nothing.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    refused: int = 0
    last_answer: float = 0.0
    #: when each answer with status 200 came, by the monotonic clock
    answered_at: list[float] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """Requests with status 200."""
        return self.statuses[200]


class Load:
    """`with Load(port, clients=50) as load:` sends until the end of the block, or `stop`."""

    def __init__(self, port: int, clients: int, *, keeps_alive: bool = True) -> None:
        self.tally = Tally()
        self._port = port
        self.clients = clients
        self._keeps_alive = keeps_alive
        self._request = HEAD % (len(BODY), b"" if keeps_alive else b"Connection: close\r\n") + BODY
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> Tally:
        """Wait for the answers to what has been sent and return the count."""
        self._stopped.set()
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive(), "the load did not end"
        return self.tally

    def wait_for_answers(self, count: int) -> None:
        """Return when `count` more requests have been answered with 200."""
        wanted, end = self.tally.answered + count, time.monotonic() + PATIENCE
        while self.tally.answered < wanted:
            assert time.monotonic() < end, f"too few answers: {self.tally}"
            time.sleep(0.01)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self.clients)))

    async def _client(self) -> None:
        while not self._stopped.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self.tally.refused += 1
                await asyncio.sleep(0.1)
                continue
            try:
                await self._use(reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _use(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self._stopped.is_set() and not reader.at_eof():
            count = 0
            try:
                writer.write(self._request)
                async with asyncio.timeout(PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    count = len(head)
                    await reader.readexactly(_length(head))
                status = _status(head)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.tally.lost.append(f"after {count} bytes: {error!r}")
                return
            self.tally.statuses[status] += 1
            self.tally.last_answer = time.monotonic()
            if status == 200:
                self.tally.answered_at.append(self.tally.last_answer)
            if b"connection: close" in head.lower() or not self._keeps_alive:
                return


def _status(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.1 "):
        raise ValueError(f"no answer: {head!r}")
    return int(head[9:12])


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0
