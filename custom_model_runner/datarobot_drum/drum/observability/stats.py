"""Timings of predictions for `/stats/` and `--show-perf`."""

from __future__ import annotations

import math
import threading


class Timings:
    """Least, greatest, mean and sum of durations since they were last read; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._count, self._total = 0, 0.0
        self._least, self._greatest = math.inf, 0.0

    def add(self, seconds: float) -> None:
        """Count one call."""
        with self._lock:
            self._count += 1
            self._total += seconds
            self._least = min(self._least, seconds)
            self._greatest = max(self._greatest, seconds)

    def take(self) -> dict[str, float | None]:
        """Figures in seconds, rounded to 3 places, and start anew; null where nothing ran."""
        with self._lock:
            count, total = self._count, self._total
            least, greatest = self._least, self._greatest
            self._clear()
        if not count:
            return {"min": None, "max": None, "avg": None, "total": None}
        figures = {"min": least, "max": greatest, "avg": total / count, "total": total}
        return {name: round(value, 3) for name, value in figures.items()}
