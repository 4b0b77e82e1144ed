"""What is measured of a case: what clients counted, and when they were answered again."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.operations.load import Tally


@dataclass
class Phase:
    """Moments of a case, by the monotonic clock."""

    began: float = 0.0
    #: when the fault happened, or for those that last, was over
    moment: float = 0.0
    #: when all workers answered predictions again
    whole: float = 0.0
    #: how many requests at most were on what was killed
    may_lose: int = 0


@dataclass(frozen=True)
class Seen:
    """What the clients saw from just before the fault until the end."""

    statuses: Counter[int]
    lost: int
    refused: int
    #: seconds without any answer with status 200, at most
    longest_pause: float
    #: seconds from the moment of the fault to the next answer with status 200
    next_answer: float

    @property
    def sent(self) -> int:
        """Requests that were sent on a connection."""
        return self.statuses.total() + self.lost


def seen_by(tallies: Sequence[Tally], before: Sequence[Tally], phase: Phase) -> Seen:
    """The difference of two counts of the same clients."""
    statuses: Counter[int] = Counter()
    for now, then in zip(tallies, before, strict=True):
        statuses.update(now.statuses - then.statuses)
    times = sorted(time for tally in tallies for time in tally.answered_at)
    return Seen(
        statuses=statuses,
        lost=sum(map(_lost, tallies)) - sum(map(_lost, before)),
        refused=sum(tally.refused for tally in tallies) - sum(tally.refused for tally in before),
        longest_pause=longest_pause([time for time in times if time >= phase.began]),
        next_answer=times[bisect_left(times, phase.moment)] - phase.moment,
    )


def _lost(tally: Tally) -> int:
    return len(tally.lost)


def longest_pause(times: Sequence[float]) -> float:
    """The greatest difference of neighbours."""
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)
