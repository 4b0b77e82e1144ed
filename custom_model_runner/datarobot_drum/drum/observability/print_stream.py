"""Stdout for model code: what it prints is written at once, and never waits for a reader."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.observability.line_writer import LARGEST_WRITE, READER_HAS_GONE

if TYPE_CHECKING:
    from typing_extensions import Buffer

logger = logging.getLogger("drum.prints")

#: Bytes that may wait for a reader that stalls; more are dropped and counted.
MOST_WAITING = 8 * 1024 * 1024
#: Seconds between two warnings of what was dropped.
QUIET = 10.0
#: A kernel or a kind of file that does not know `RWF_NOWAIT`.
NOT_KNOWN = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ESPIPE)


class PrintOutput(io.BufferedIOBase):
    """The bytes side of stdout. A write goes to the descriptor at once, or waits in memory.

    It waits while the reader stalls; `flush` tries again. A reader that has gone ends the writing,
    a full disk loses what does not fit: no write ever raises an OSError or blocks. `close` does
    nothing: the descriptor is the server's. In a forked child, which has nobody to try again, a
    write blocks as everywhere else.
    """

    def __init__(
        self, descriptor: int, name: str = "<stdout>", on_wait: Callable[[], None] = lambda: None
    ) -> None:
        self.name = name
        self.mode = "wb"
        self._descriptor = descriptor
        self._on_wait = on_wait
        self._waiting = bytearray()
        self._room = MOST_WAITING
        # a signal handler may print while its thread does
        self._lock = threading.RLock()
        self._poll_type = _poll_type()
        self._is_broken = False
        self._was_told = False
        self._blocks = False
        self._nowait = self._is_pipe() and hasattr(os, "RWF_NOWAIT")
        self._dropped = 0
        self._reason = "it is not read"
        self._quiet_until = 0.0

    def fileno(self) -> int:
        """The descriptor, for processes that inherit it."""
        return self._descriptor

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """Is it a terminal?"""
        return os.isatty(self._descriptor)

    def close(self) -> None:
        """Nothing: others write there, and the next file that is opened would get its number."""

    def write(self, data: Buffer) -> int:
        """Write all of `data`, now or later; the count of its bytes."""
        size = memoryview(data).nbytes
        with self._lock:
            was_waiting = bool(self._waiting)
            if was_waiting:
                self._drain()
            if self._waiting and len(self._waiting) + size > self._room:
                self._dropped += size
            elif not self._is_broken:
                self._waiting += data
                self._drain()
            begins_to_wait = bool(self._waiting) and not was_waiting
        if begins_to_wait:
            self._on_wait()
        return size

    def flush(self) -> None:
        """Try again what waits."""
        if self._waiting:
            with self._lock:
                self._drain()

    @property
    def waiting(self) -> int:
        """Bytes that the reader has not taken yet."""
        return len(self._waiting)

    def look(self) -> None:
        """Warn of what was lost; see whether stdout is still a pipe. Called now and then."""
        if self._is_broken and not self._was_told:
            self._was_told = True
            # where the logs go the same way, that is the end of them, too
            with contextlib.suppress(Exception):
                logger.warning("prints are lost from now on: stdout cannot be written to")
        if self._dropped and not self._waiting and time.monotonic() > self._quiet_until:
            self._quiet_until = time.monotonic() + QUIET
            dropped, self._dropped = self._dropped, 0
            logger.warning("%d bytes of prints were dropped (%s)", dropped, self._reason)
        self._nowait = self._nowait and self._is_pipe()

    def end(self) -> None:
        """From now on nobody tries again: what is not taken at once is lost."""
        self._room = 0

    def enter_child(self) -> None:
        """In a forked child: the parent writes what waits, and may have held the lock."""
        self._lock = threading.RLock()
        self._waiting = bytearray()
        self._blocks = True
        self._nowait = False

    def _drain(self) -> None:
        try:
            while self._waiting:
                piece = bytes(self._waiting[: self._end_of_piece()])
                del self._waiting[: self._write_piece(piece)]
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)

    def _end_of_piece(self) -> int:
        """Whole lines, as many as a pipe takes in one piece; a longer line is cut."""
        if len(self._waiting) <= LARGEST_WRITE:
            return LARGEST_WRITE
        return self._waiting.rfind(b"\n", 0, LARGEST_WRITE) + 1 or LARGEST_WRITE

    def _write_piece(self, piece: bytes) -> int:
        if self._nowait:
            try:
                # others write to that pipe as well: it may be full although a poll said it is not
                return os.pwritev(self._descriptor, [piece], -1, os.RWF_NOWAIT)
            except OSError as error:
                if error.errno not in NOT_KNOWN:
                    raise
                self._nowait = False
        if not self._blocks and not self._is_writable():
            raise BlockingIOError
        return os.write(self._descriptor, piece)

    def _is_writable(self) -> bool:
        poll = self._poll_type()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(0))

    def _is_pipe(self) -> bool:
        try:
            return stat.S_ISFIFO(os.fstat(self._descriptor).st_mode)
        except OSError:
            return False

    def _fail(self, error: OSError) -> None:
        self._is_broken = error.errno in READER_HAS_GONE
        if not self._is_broken:
            # a full disk, for example, may be emptied
            self._dropped += len(self._waiting)
            self._reason = str(error)
        self._waiting.clear()


def print_stream(
    stream: io.TextIOWrapper, on_wait: Callable[[], None] = lambda: None
) -> tuple[io.TextIOWrapper, PrintOutput] | None:
    """A text stream in place of `stream`, and its output; None if that one has no descriptor.

    It writes whole lines at once, and without `write_through` what has no line end at a flush.
    """
    try:
        output = PrintOutput(stream.fileno(), stream.name, on_wait)
    except (OSError, ValueError):
        return None
    os.register_at_fork(after_in_child=output.enter_child)
    text = io.TextIOWrapper(
        output,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
        write_through=stream.write_through,
    )
    return text, output


def _poll_type() -> Any:
    # gevent's own would let other greenlets run in the middle of a print
    monkey = sys.modules.get("gevent.monkey")
    return select.poll if monkey is None else monkey.get_original("select", "poll")
