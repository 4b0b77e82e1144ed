"""The counts of a rate limit in the memory of one worker, however many clients there are."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

#: Windows that are kept, of about 300 bytes each; of more clients those unseen longest are let go.
MOST_WINDOWS = 100_000


class BoundedWindows:
    """Sliding windows, as a storage of `limits` has them; safe for threads.

    The library's own has a thread that looks at all clients every few milliseconds, and no bound.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, most_windows: int = MOST_WINDOWS
    ) -> None:
        self._clock = clock
        self._most = most_windows
        self._lock = threading.Lock()
        #: the number of the window since the epoch, its count and that of the one before
        self._windows: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int) -> bool:
        """Count a request unless it is one too many; `expiry` is the window in seconds."""
        with self._lock:
            number, current, previous, passed = self._look(key, expiry)
            weighted = previous * (1 - passed) + current
            if int(weighted) >= limit:
                return False
            self._windows[key] = number, current + 1, previous
            self._windows.move_to_end(key)
            if len(self._windows) > self._most:
                self._windows.popitem(last=False)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Count and remaining seconds of the window before, and of the running one."""
        with self._lock:
            _, current, previous, passed = self._look(key, expiry)
        left = (1 - passed) * expiry
        return previous, left if previous else 0.0, current, left + expiry

    def _look(self, key: str, expiry: int) -> tuple[int, int, int, float]:
        number, passed = divmod(self._clock() / expiry, 1)
        known, current, previous = self._windows.get(key, (int(number), 0, 0))
        age = int(number) - known
        if age:
            current, previous = 0, current if age == 1 else 0
        return int(number), current, previous, passed
