"""Timings of predictions for `/stats/` and `--show-perf`."""

from __future__ import annotations

import threading


class Timings:
    """Least, greatest, mean and sum of durations since they were last read; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._count = 0
        self._total = 0.0
        self._least = float("inf")
        self._greatest = float("-inf")

    def add(self, seconds: float) -> None:
        """Count one call."""
        # only sums are kept: nobody may ever read them
        with self._lock:
            self._count += 1
            self._total += seconds
            self._least = min(self._least, seconds)
            self._greatest = max(self._greatest, seconds)

    def take(self) -> dict[str, float | None]:
        """Figures in seconds, rounded to 3 places, and start anew; null where nothing ran."""
        with self._lock:
            if not self._count:
                return {"min": None, "max": None, "avg": None, "total": None}
            figures = {
                "min": self._least,
                "max": self._greatest,
                "avg": self._total / self._count,
                "total": self._total,
            }
            self._forget()
        return {name: round(value, 3) for name, value in figures.items()}
