"""Tells whether the memory of a process grows with the requests it serves, from samples of both."""

from __future__ import annotations

import itertools
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

MIB = 1024 * 1024
#: Requests that a worker serves before anything is looked at: caches fill, libraries are imported.
WARM_UP_REQUESTS = 200
#: The window is seen as so many blocks; only the least sample of each counts.
BLOCKS = 10
#: Pairs of blocks, of 45, that must have grown rather than shrunk (Mann-Kendall's S; p < 0.01).
#: One step, wherever it is, gives 25 at most.
SIGNIFICANT = 27


@dataclass(frozen=True)
class Sample:
    """Memory in bytes after so many requests."""

    requests: int
    memory: int


class MemoryLeakDetector:
    """Fits the growth of memory to the last `sample_window` samples.

    A garbage collector's saw-tooth, caches that are full at some time, single steps and noise are
    no leak: what counts is the least memory in each of ten parts of the window. It must grow
    significantly, and in its later half as well by more than the threshold, in MiB for each 1,000
    requests. Nothing is said before the window is full.
    """

    def __init__(
        self, sample_window: int = 100, growth_threshold_mb_per_1k_requests: float = 50.0
    ) -> None:
        self._threshold = growth_threshold_mb_per_1k_requests
        self._samples: deque[Sample] = deque(maxlen=sample_window)
        self._is_leaking = False
        #: bytes per request, over the whole window; None before it is full
        self.growth: float | None = None

    def record_sample(self, requests: int, memory: int) -> None:
        """Take a sample; one without requests since the last replaces that one."""
        if requests < WARM_UP_REQUESTS:
            return
        if self._samples and self._samples[-1].requests >= requests:
            self._samples.pop()
        self._samples.append(Sample(requests, memory))

    def check_for_leak(self) -> tuple[bool, str]:
        """Has a leak become visible since the last call, and what there is to say about it.

        True once, and again only after the growth has ended in between.
        """
        if len(self._samples) < (self._samples.maxlen or 0):
            return False, ""
        blocks = _floors(list(self._samples))
        self.growth = _slope(blocks)
        recent = _slope(blocks[BLOCKS // 2 :])
        limit = self._threshold * MIB / 1000
        was_leaking = self._is_leaking
        self._is_leaking = min(self.growth, recent) > limit and _grown_pairs(blocks) >= SIGNIFICANT
        if was_leaking or not self._is_leaking:
            return False, ""
        return True, self._text(self._samples[0], self._samples[-1])

    def _text(self, first: Sample, last: Sample) -> str:
        growth = 1000 * (self.growth or 0) / MIB
        return (
            f"the memory of this worker grows by {growth:.1f} MiB per 1,000 requests: from "
            f"{first.memory / MIB:.0f} to {last.memory / MIB:.0f} MiB within the last "
            f"{last.requests - first.requests} requests; look for what the hooks keep between "
            "requests, and have workers replaced meanwhile (DRUM_UVICORN_MAX_REQUESTS)"
        )


def _floors(samples: Sequence[Sample]) -> list[Sample]:
    """The sample with the least memory of each block."""
    bounds = [len(samples) * block // BLOCKS for block in range(BLOCKS + 1)]
    return [
        min(samples[start:end], key=lambda sample: sample.memory)
        for start, end in itertools.pairwise(bounds)
    ]


def _slope(samples: Sequence[Sample]) -> float:
    """Bytes per request by the method of Theil and Sen: the median over all pairs."""
    return statistics.median(
        (later.memory - earlier.memory) / (later.requests - earlier.requests)
        for earlier, later in itertools.combinations(samples, 2)
    )


def _grown_pairs(samples: Sequence[Sample]) -> int:
    """Pairs that grew, less those that shrank (the S of Mann and Kendall)."""
    return sum(
        (later.memory > earlier.memory) - (later.memory < earlier.memory)
        for earlier, later in itertools.combinations(samples, 2)
    )
