"""The last errors of a server, kept in memory that all its workers share.

The process that starts the workers makes the memory and they inherit it, so that each of them tells
the errors of all, and those of a worker that died are still there. Nothing is written to a disk.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any

from datarobot_drum.drum.observability.record import Record

#: Entries of each ring: failures of the server and refusals of requests are kept apart, so that a
#: scanner's 404s cannot push out the one 500.
KEPT = 50
SLOT = 4096
#: Characters of a message; six bytes each, at worst, fit into a slot.
LONGEST_MESSAGE = 500

#: when the memory was made; then, for each ring, how many entries it has ever got
HEADER = struct.Struct("<d2Q")
COUNT = struct.Struct("<Q")
#: length and checksum of an entry: one that is being overwritten is not shown
ENTRY = struct.Struct("<II")
FIRST_COUNT = 8
FIRST_SLOT = 4096
SIZE = FIRST_SLOT + 2 * KEPT * SLOT

#: Another process holds the lock for microseconds; one that is stopped meanwhile is not awaited.
TRIES = 100

#: Routes that are asked all the time while there is no model; their answers are no news.
UNTOLD = frozenset({"ping", "health", "livez", "readyz", "startupz"})


class RecentErrors:
    """Two rings of entries; thread-safe, and safe among processes that were forked."""

    def __init__(self) -> None:
        self._descriptor = _new_memory()
        os.ftruncate(self._descriptor, SIZE)
        self._memory = mmap.mmap(self._descriptor, SIZE)
        self._lock = threading.Lock()
        HEADER.pack_into(self._memory, 0, time.time(), 0, 0)

    @property
    def started(self) -> float:
        """When the memory was made, in seconds since the epoch."""
        started: float = HEADER.unpack_from(self._memory)[0]
        return started

    def note(self, record: Record) -> None:
        """Keep a request that went wrong; a sink of the recorder."""
        if (0 < record.status < 400 and not record.failed) or record.operation in UNTOLD:
            return
        entry = {
            "time": time.time(),
            "method": record.method[:16],
            "route": record.route,
            "status": record.status,
            "requestId": record.request_id,
            "message": record.error[:LONGEST_MESSAGE],
            "seconds": round(record.seconds, 4),
            "incomplete": record.failed,
            "worker": os.getpid(),
        }
        self._add(int(record.status < 500), json.dumps(entry).encode())

    def _add(self, ring: int, data: bytes) -> None:
        place = FIRST_COUNT + ring * COUNT.size
        with self._lock:
            is_held = self._keep_others_out()
            try:
                (count,) = COUNT.unpack_from(self._memory, place)
                start = FIRST_SLOT + (ring * KEPT + count % KEPT) * SLOT
                ENTRY.pack_into(self._memory, start, len(data), zlib.crc32(data))
                self._memory[start + ENTRY.size : start + ENTRY.size + len(data)] = data
                COUNT.pack_into(self._memory, place, count + 1)
            finally:
                if is_held:
                    fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _keep_others_out(self) -> bool:
        """Whether other processes now wait; without that two entries may become one."""
        for _ in range(TRIES):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                # never a call that blocks: this may be the thread of an event loop
                os.sched_yield()
            else:
                return True
        return False

    def entries(self) -> list[dict[str, Any]]:
        """What is kept, the latest first."""
        return sorted(self._read(), key=lambda entry: -entry["time"])

    def _read(self) -> Iterator[dict[str, Any]]:
        for start in range(FIRST_SLOT, SIZE, SLOT):
            length, checksum = ENTRY.unpack_from(self._memory, start)
            data = self._memory[start + ENTRY.size : start + ENTRY.size + length]
            if length and zlib.crc32(data) == checksum:
                yield json.loads(data)


def _new_memory() -> int:
    create = getattr(os, "memfd_create", None)
    if create is not None:
        return int(create("drum-recent-errors"))
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


_inherited: RecentErrors | None = None


def share() -> None:
    """Make the memory, once, that the workers which this process forks will share."""
    global _inherited
    if _inherited is None:
        _inherited = RecentErrors()


def shared_or_own() -> RecentErrors:
    """The memory that the parent has made, or one of this process alone."""
    return _inherited or RecentErrors()
