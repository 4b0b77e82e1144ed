"""Who may run, who waits and who is turned away: counters, no sleeping."""

from __future__ import annotations

import threading

from datarobot_drum.drum.errors import Overloaded

RETRY_WHEN_FULL = 5
RETRY_AFTER_WAITING = 10


class ProductionBackpressure:
    """The one admission gate of a worker: at most `running` calls at once, `waiting` in line.

    A call goes through `admit`, then `start`, then `finish`; one that leaves the line before its
    turn calls `leave` instead of `start`. Thread-safe.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self.max_running = running
        self.max_waiting = waiting
        self._lock = threading.Lock()
        self._running = 0
        self._waiting = 0
        self._accepted = 0
        self._rejected = 0
        self._timed_out = 0

    def allow(self, running: int) -> None:
        """Change how many calls may run at once; who is in line stays there."""
        with self._lock:
            self.max_running = running

    def admit(self) -> None:
        """Join the line; Overloaded when it is full and nothing is free."""
        with self._lock:
            if self._running + self._waiting >= self.max_running + self.max_waiting:
                self._rejected += 1
                raise Overloaded(
                    f"the server is busy: {self._running} requests are running and "
                    f"{self._waiting} are waiting; try again later",
                    RETRY_WHEN_FULL,
                )
            self._accepted += 1
            self._waiting += 1

    def start(self) -> None:
        """From waiting to running."""
        with self._lock:
            self._waiting -= 1
            self._running += 1

    def leave(self, *, timed_out: bool = False) -> None:
        """Leave the line without having run."""
        with self._lock:
            self._waiting -= 1
            self._timed_out += timed_out

    def finish(self) -> None:
        """Give the slot back."""
        with self._lock:
            self._running -= 1

    @property
    def busy(self) -> int:
        """Calls that run or wait."""
        with self._lock:
            return self._running + self._waiting

    def figures(self) -> dict[str, int]:
        """What `/stats/` shows."""
        with self._lock:
            return {
                "running": self._running,
                "waiting": self._waiting,
                "accepted": self._accepted,
                "rejected": self._rejected,
                "timed_out": self._timed_out,
                "max_running": self.max_running,
                "max_waiting": self.max_waiting,
            }
