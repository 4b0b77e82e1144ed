"""Timings of predictions for `/stats/` and `--show-perf`."""

from __future__ import annotations

import threading


class Timings:
    """Least, greatest, mean and sum of durations since they were last read; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._durations: list[float] = []

    def add(self, seconds: float) -> None:
        """Count one call."""
        with self._lock:
            self._durations.append(seconds)

    def take(self) -> dict[str, float | None]:
        """Figures in seconds, rounded to 3 places, and start anew; null where nothing ran."""
        with self._lock:
            durations, self._durations = self._durations, []
        if not durations:
            return {"min": None, "max": None, "avg": None, "total": None}
        total = sum(durations)
        figures = {
            "min": min(durations),
            "max": max(durations),
            "avg": total / len(durations),
            "total": total,
        }
        return {name: round(value, 3) for name, value in figures.items()}
