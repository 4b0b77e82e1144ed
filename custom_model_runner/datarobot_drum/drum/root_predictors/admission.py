"""Who may run, who waits and who is turned away: counters, no sleeping."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from datarobot_drum.drum.errors import Overloaded

RETRY_WHEN_FULL = 5
RETRY_AFTER_WAITING = 10


class Call(Protocol):
    """What the gate may ask a call that runs."""

    def due(self) -> float:
        """When its slot should be free again at the latest, on the monotonic clock."""

    def is_blocking(self) -> bool:
        """Does it keep others from running, rather than just take a slot?"""


class ProductionBackpressure:
    """The one admission gate of a worker: at most `running` calls at once, `waiting` in line.

    A call goes through `admit`, then `start`, then `finish`; one that leaves the line before its
    turn calls `leave` instead of `start`. Bodies of requests take up `max_bytes` at most, from
    their first byte until they are closed; 0 is no limit. `max_age` is how many seconds calls
    wait: whoever waits for them keeps it, the gate only tells it. Thread-safe.
    """

    def __init__(
        self, running: int, waiting: int, *, max_bytes: int = 0, max_age: float = 0
    ) -> None:
        self.max_running = running
        self.max_blocking = running
        self.max_waiting = waiting
        self.max_bytes = max_bytes
        self.max_age = max_age
        self._lock = threading.Lock()
        self._running = 0
        self._waiting = 0
        self._bytes = 0
        self._accepted = 0
        self._rejected = 0
        self._timed_out = 0
        self._exceeded = 0
        self._abandoned = 0
        # who waits, and since when, in the order in which they came
        self._line: dict[Call, float] = {}
        self._inside: set[Call] = set()

    def allow(self, running: int) -> None:
        """Change how many calls may run at once, though no more of them may block others."""
        with self._lock:
            self.max_running = running

    def admit(self, call: Call | None = None) -> None:
        """Join the line; Overloaded when it is full and nothing is free."""
        with self._lock:
            if self._running + self._waiting >= self.max_running + self.max_waiting:
                raise self._refusal()
            self._accepted += 1
            self._waiting += 1
            if call is not None:
                self._line[call] = time.monotonic()

    def check(self) -> None:
        """Overloaded when a call would be refused now; for requests whose body is still to come."""
        # without the lock: `admit` decides, this only saves an upload
        if self._running + self._waiting >= self.max_running + self.max_waiting:
            with self._lock:
                raise self._refusal()

    def _refusal(self) -> Overloaded:
        self._rejected += 1
        return Overloaded(
            f"the server is busy: {self._running} requests are running and "
            f"{self._waiting} are waiting; try again later",
            RETRY_WHEN_FULL,
        )

    def start(self, call: Call | None = None) -> None:
        """From waiting to running."""
        with self._lock:
            self._waiting -= 1
            self._running += 1
            if call is not None:
                self._line.pop(call, None)
                self._inside.add(call)

    def leave(self, call: Call | None = None, *, timed_out: bool = False) -> None:
        """Leave the line without having run."""
        with self._lock:
            self._waiting -= 1
            self._timed_out += timed_out
            if call is not None:
                self._line.pop(call, None)

    def finish(self, call: Call | None = None) -> None:
        """Give the slot back."""
        with self._lock:
            self._running -= 1
            if call is not None:
                self._inside.discard(call)

    def hold(self, count: int, held: int = 0) -> None:
        """Take up `count` bytes for a body that holds `held` already; Overloaded when it is full.

        A body is never refused when no other one holds anything.
        """
        with self._lock:
            self._check_bytes(count, held)
            self._bytes += count

    def check_bytes(self, length: int) -> None:
        """Overloaded when there is no room for a body of that length.

        Room is not kept for it: a client that never sends what it told would take it from others.
        """
        with self._lock:
            self._check_bytes(length, 0)

    def _check_bytes(self, count: int, held: int) -> None:
        others = self._bytes - held
        if self.max_bytes and others > 0 and self._bytes + count > self.max_bytes:
            self._rejected += 1
            raise Overloaded(
                f"the server is busy: other requests hold {others} bytes of data "
                f"(DRUM_MAX_QUEUE_BYTES is {self.max_bytes}); try again later",
                RETRY_WHEN_FULL,
            )

    def release(self, count: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._bytes -= count

    def exceed(self) -> None:
        """Count a request that passed its deadline."""
        with self._lock:
            self._exceeded += 1

    def abandon(self) -> None:
        """Count a call whose client left before the answer."""
        with self._lock:
            self._abandoned += 1

    @property
    def busy(self) -> int:
        """Calls that run or wait."""
        with self._lock:
            return self._running + self._waiting

    def stuck_since(self) -> float | None:
        """Since when calls that should have ended leave no room to run; None if there is some."""
        with self._lock:
            blocking = [call for call in self._inside if call.is_blocking()]
            if len(blocking) < min(self.max_running, self.max_blocking):
                return None
            latest = max(call.due() for call in blocking)
        return latest if latest <= time.monotonic() else None

    def figures(self) -> dict[str, float]:
        """What `/stats/` shows; all but the seconds are whole numbers."""
        with self._lock:
            oldest = next(iter(self._line.values()), None)
            return {
                "running": self._running,
                "waiting": self._waiting,
                "oldest_waiting_seconds": (
                    0.0 if oldest is None else round(time.monotonic() - oldest, 3)
                ),
                "bytes_held": self._bytes,
                "accepted": self._accepted,
                "rejected": self._rejected,
                "timed_out": self._timed_out,
                "deadline_exceeded": self._exceeded,
                "abandoned": self._abandoned,
                "max_running": self.max_running,
                "max_waiting": self.max_waiting,
                "max_waiting_seconds": self.max_age,
                "max_bytes_held": self.max_bytes,
            }
