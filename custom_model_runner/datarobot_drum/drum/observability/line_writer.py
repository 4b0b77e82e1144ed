"""Writes lines from a thread of its own, so that a slow reader stops nobody."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

logger = logging.getLogger("drum.access")

#: Lines that may wait for a reader that stalls; more are dropped and counted.
MOST_WAITING = 10_000
#: Seconds in which lines are gathered, so that a busy server wakes the thread now and then only.
GATHER = 0.05
#: Seconds that a reader gets at the end.
LAST_WAIT = 1.0
#: Seconds between two warnings of lines that were dropped.
QUIET = 10.0
READER_HAS_GONE = (errno.EPIPE, errno.EBADF)
#: A write of more bytes to a pipe could be torn apart by those of other processes.
LARGEST_WRITE = select.PIPE_BUF


#: In the place of a descriptor that was closed.
CLOSED = -1


class LineWriter(Generic[Item]):
    """A bounded queue of items and the thread that makes a line of each and writes it.

    Each write is one or more whole lines, in one piece: processes that share a pipe do not mix
    theirs. While the reader stalls, lines wait; when too many do, further ones are dropped. A
    reader that has gone ends the writing, never the server.
    """

    def __init__(self, to_line: Callable[[Item], bytes], descriptor: int) -> None:
        self._to_line = to_line
        self._descriptor = _copy_of(descriptor)
        self._items: deque[Item] = deque()
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._reason = "stdout is not read"
        self._quiet_until = 0.0
        self._is_broken = False
        self._wake = threading.Event()
        self._end = 0.0
        self._thread = threading.Thread(target=self._work, name="access-log", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Have a line written soon; never waits."""
        if len(self._items) >= MOST_WAITING:
            self._dropped += 1
            return
        self._items.append(item)
        if not self._wake.is_set():
            self._wake.set()

    def stop(self) -> None:
        """Write what waits, for a second at most, and end the thread."""
        self._end = time.monotonic() + LAST_WAIT
        self._wake.set()
        self._thread.join(LAST_WAIT + 2 * GATHER)
        if not self._thread.is_alive() and self._descriptor != CLOSED:
            os.close(self._descriptor)
            self._descriptor = CLOSED

    def _work(self) -> None:
        while not self._end:
            self._wake.wait()
            if not self._end:
                time.sleep(GATHER)
            self._wake.clear()
            self._write_waiting()
        while (self._items or self._lines) and time.monotonic() < self._end:
            self._write_waiting()
            time.sleep(GATHER / 10)

    def _write_waiting(self) -> None:
        while self._items or self._lines:
            self._gather()
            rest = self._write(b"".join(self._lines))
            self._lines.clear()
            if rest:
                # the reader stalls: try again soon
                self._lines.append(rest)
                self._wake.set()
                return
        if self._dropped and time.monotonic() > self._quiet_until:
            self._quiet_until = time.monotonic() + QUIET
            dropped, self._dropped = self._dropped, 0
            logger.warning("%d lines of the access log were dropped (%s)", dropped, self._reason)

    def _gather(self) -> None:
        """Make as many lines as fit into one write, if none wait for theirs."""
        size = sum(map(len, self._lines))
        while self._items and (not self._lines or size < LARGEST_WRITE):
            line = self._to_line(self._items[0])
            if self._lines and size + len(line) > LARGEST_WRITE:
                return
            self._lines.append(line)
            self._items.popleft()
            size += len(line)

    def _write(self, data: bytes) -> bytes:
        """Write without waiting; what is left for later."""
        if self._is_broken:
            return b""
        try:
            while data and _is_writable(self._descriptor):
                data = data[os.write(self._descriptor, data) :]
        except BlockingIOError:
            return data
        except OSError as error:
            self._fail(error)
            return b""
        return data

    def _fail(self, error: OSError) -> None:
        if error.errno not in READER_HAS_GONE:
            # a full disk, for example, may be emptied
            self._dropped += len(self._lines)
            self._reason = str(error)
            return
        self._is_broken = True
        # where the logs go the same way, that is the end of them, too
        with contextlib.suppress(Exception):
            logger.warning("the access log ends: stdout cannot be written to (%s)", error)


def _is_writable(descriptor: int) -> bool:
    """Would a write of `LARGEST_WRITE` bytes be taken at once?"""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def _copy_of(descriptor: int) -> int:
    """A descriptor of our own.

    Model code may close that of stdout, and the next client's connection would get its number, and
    the lines.
    """
    try:
        return os.dup(descriptor)
    except OSError:  # it was closed from the beginning: each write shall fail
        return os.open(os.devnull, os.O_RDONLY)
