"""Durations of any number of requests in a bounded amount of memory."""

from __future__ import annotations

import math
from collections import Counter

#: Each bucket is 1 % wider than the one before, so a percentile is off by at most half of that.
GROWTH = 1.01
_LOG_GROWTH = math.log(GROWTH)
#: Nothing is measured more finely than this.
LEAST = 1e-7


class Histogram:
    """Seconds, counted in buckets of equal ratio; count, sum, least and greatest are exact."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.least = math.inf
        self.greatest = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.count += 1
        self.total += seconds
        self.least = min(self.least, seconds)
        self.greatest = max(self.greatest, seconds)
        self._buckets[round(math.log(max(seconds, LEAST)) / _LOG_GROWTH)] += 1

    @property
    def mean(self) -> float:
        """The average; 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """The duration that so many per cent of the requests did not exceed; 0 of nothing."""
        rank = math.ceil(self.count * percent / 100)
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return min(max(GROWTH**bucket, self.least), self.greatest)
        return self.greatest
