"""When a worker that has died is started again, and when that is no use; never sleeps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

#: A worker that dies sooner counts as one that cannot live.
YOUNG = 10.0
#: Seconds that a pause may grow to.
LONGEST_PAUSE = 60.0
#: How often a second is doubled at most to get there.
MOST_DOUBLINGS = 6
#: Failures in a row after which the server stops, if no worker is ready.
MOST_FAILURES = 4


class Restarts:
    """Counts deaths in a row; the first is followed by no pause, then 1, 2, 4 ... seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._not_before = 0.0
        self.has_started = False

    def look_at(self, wanted: int, workers: Sequence[Any]) -> None:
        """Learn from the workers in service that the server has started, or is well again."""
        if len(workers) < wanted or not all(worker.board.ready for worker in workers):
            return
        self.has_started = True
        oldest_allowed = time.monotonic() - YOUNG
        if all(worker.started < oldest_allowed for worker in workers):
            self._failures = 0

    def note_failure(self, *, was_ready: bool, started: float) -> None:
        """A worker has died that was started at that time of the monotonic clock."""
        now = time.monotonic()
        if was_ready and now - started > YOUNG:
            return
        self._failures += 1
        # an exponent without a bound would overflow after a night of failures
        doublings = min(self._failures - 2, MOST_DOUBLINGS)
        pause = 2.0**doublings if self._failures > 1 else 0.0
        self._not_before = now + min(pause, LONGEST_PAUSE)

    def may_start(self) -> bool:
        """May a worker be started now?"""
        return time.monotonic() >= self._not_before

    def is_hopeless(self, *, serves: bool) -> bool:
        """Is it no use to go on, after a worker died before it was ready?"""
        return not self.has_started or (not serves and self._failures >= MOST_FAILURES)
