"""Does a figure grow with the requests served? Slopes of lines, and how sure they are.

The slope is that of Theil and Sen: the median of the slopes of all pairs of points, which single
steps and outliers hardly move. Points of different groups are never paired, so that each process
is compared with itself only; that is the seasonal estimator of Hirsch, Slack and Smith
(Techniques of trend analysis for monthly water quality data, Water Resources Research 18(1), 1982).
The confidence interval is Sen's (Estimates of the regression coefficient based on Kendall's tau,
JASA 63, 1968, as in Gilbert, Statistical Methods for Environmental Pollution Monitoring, 1987,
sections 16.4.2 and 17.3): the variances of Kendall's S are added over the groups. With one group it
is what `scipy.stats.theilslopes` computes.

Neighbouring samples of memory are alike, which makes intervals too narrow; so each group is first
cut into at most 20 blocks, and only their medians count.

A leak does not end. What rises ever more slowly, as memory does until each thread has seen its
largest request, is told from one by the later half of the blocks, which must rise as well.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BLOCKS = 20
CONFIDENCE = 0.99
#: fewer blocks in all say nothing
LEAST_BLOCKS = 6


@dataclass(frozen=True)
class Point:
    """A figure after so many requests."""

    requests: float
    figure: float


@dataclass(frozen=True)
class Growth:
    """Slope for each 1,000 requests with its interval, and the requests that it was fitted over.

    `late` is the slope in the later half of the blocks.
    """

    slope: float
    low: float
    high: float
    requests: float
    late: float

    @property
    def whole(self) -> float:
        """How much the line rises from its first to its last point."""
        return self.slope * self.requests / 1000

    @property
    def late_rise(self) -> float:
        """How much the later half alone would make the whole line rise."""
        return self.late * self.requests / 1000


@dataclass(frozen=True)
class Floor:
    """Growth that is not told from noise: for each 1,000 requests, and in a whole run."""

    rate: float
    whole: float

    def is_passed_by(self, growth: Growth) -> bool:
        """Is it growth: surely above zero, and more than noise, in the later half as well?"""
        slope, rise = min(growth.slope, growth.late), min(growth.whole, growth.late_rise)
        return growth.low > 0 and slope > self.rate and rise > self.whole


def blocks(points: Sequence[Point], count: int = BLOCKS) -> list[Point]:
    """Medians of equal parts of the points, which are in order of requests."""
    count = min(count, len(points))
    bounds = [len(points) * number // count for number in range(count + 1)] if count else []
    return [
        Point(
            statistics.fmean(point.requests for point in points[begin:end]),
            statistics.median(point.figure for point in points[begin:end]),
        )
        for begin, end in itertools.pairwise(bounds)
    ]


def _slopes(points: Sequence[Point]) -> list[float]:
    return [
        (later.figure - earlier.figure) / (later.requests - earlier.requests) * 1000
        for earlier, later in itertools.combinations(points, 2)
        if later.requests > earlier.requests
    ]


def _variance(points: Sequence[Point]) -> float:
    """That of Kendall's S, less what ties take from it."""

    def term(count: int) -> float:
        return count * (count - 1) * (2 * count + 5) / 18

    ties = Counter(point.figure for point in points), Counter(point.requests for point in points)
    return term(len(points)) - sum(term(count) for tie in ties for count in tie.values())


def fit(groups: Iterable[Sequence[Point]], confidence: float = CONFIDENCE) -> Growth | None:
    """The growth common to all groups; None when there are too few points."""
    cut = [blocks(group) for group in groups]
    slopes = sorted(slope for points in cut for slope in _slopes(points))
    if sum(map(len, cut)) < LEAST_BLOCKS or not slopes:
        return None
    # rounding can leave a little less than nothing when all points are tied
    sigma = math.sqrt(max(0.0, sum(map(_variance, cut))))
    margin = statistics.NormalDist().inv_cdf((1 + confidence) / 2) * sigma
    last = len(slopes) - 1
    low = max(round((len(slopes) - margin) / 2) - 1, 0)
    high = min(round((len(slopes) + margin) / 2), last)
    ends = [point.requests for points in cut for point in points]
    late = sorted(slope for points in cut for slope in _slopes(points[len(points) // 2 :]))
    return Growth(
        slope=statistics.median(slopes),
        low=slopes[low],
        high=slopes[high],
        requests=max(ends) - min(ends),
        late=statistics.median(late or slopes),
    )
