"""Watches the trend of a worker's memory, and warns of a leak."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import psutil

from datarobot_drum.drum.memory_trend import MemoryLeakDetector

logger = logging.getLogger("drum.memory")

#: Seconds between two looks at the number of requests.
PERIOD = 1.0
#: A sample is taken after so many requests, or seconds; one more often says nothing.
REQUESTS_BETWEEN, SECONDS_BETWEEN = 100, 10.0


class MemoryWatch:
    """Takes samples now and then, in a thread of its own, and logs one WARNING for each leak.

    `served` tells the requests of the model so far; `show` gets the growth in bytes per request.
    """

    def __init__(
        self,
        detector: MemoryLeakDetector,
        served: Callable[[], int],
        show: Callable[[float], None] = lambda growth: None,
    ) -> None:
        self._detector = detector
        self._served = served
        self._show = show
        self._process = psutil.Process()
        self._last_requests = 0
        self._last_time = 0.0
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        threading.Thread(target=self._run, name="memory-watch", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD):
            self.look()

    def look(self) -> None:
        """Take a sample if it is time for one."""
        requests, now = self._served(), time.monotonic()
        is_due = now - self._last_time >= SECONDS_BETWEEN
        if not is_due and requests - self._last_requests < REQUESTS_BETWEEN:
            return
        self._last_requests, self._last_time = requests, now
        self._detector.record_sample(requests, self._own_memory())
        is_leak, text = self._detector.check_for_leak()
        if self._detector.growth is not None:
            self._show(self._detector.growth)
        if is_leak:
            logger.warning("%s", text)

    def _own_memory(self) -> int:
        # without pages of files: those of a mapped model come in as it is used, and are no leak
        figures = self._process.memory_info()
        return int(figures.rss - getattr(figures, "shared", 0))
