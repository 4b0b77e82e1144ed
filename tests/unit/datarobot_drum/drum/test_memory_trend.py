"""Series of memory that a worker might show, and what is said of them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from datarobot_drum.drum.memory_trend import MIB, WARM_UP_REQUESTS, MemoryLeakDetector

BASE = 500 * MIB
STEP = 100
COUNT = 1000
#: MiB for each request, above the threshold and below it; the default is 50 for 1,000
LEAK, TRICKLE = 0.1, 0.02


def noise(generator: random.Random) -> float:
    return generator.gauss(0, 20)


def saw_tooth(requests: int) -> float:
    """Garbage that is collected now and then, at least once in a tenth of the window."""
    return requests % 900 * 0.3


def plateau(requests: int) -> float:
    """A cache that fills and is full."""
    return 800 * (1 - math.exp(-requests / 4000))


def step(requests: int) -> float:
    return 700 if requests > 30_000 else 0


def warm_up(requests: int) -> float:
    return min(requests, WARM_UP_REQUESTS) * 10


def leaks(series: Callable[[int], float], requests_between: int = STEP) -> list[str]:
    """What is said of MiB by requests, sample for sample."""
    detector, told = MemoryLeakDetector(), []
    generator = random.Random(7)
    for number in range(COUNT):
        requests = number * requests_between
        memory = BASE + MIB * (series(requests) + generator.gauss(0, 1))
        detector.record_sample(requests, int(memory))
        is_leak, text = detector.check_for_leak()
        assert is_leak == bool(text)
        told += [text] * is_leak
    return told


@pytest.mark.parametrize(
    "series",
    [
        lambda requests: 0,
        lambda requests: noise(random.Random(requests)),
        lambda requests: requests * TRICKLE,
        lambda requests: -requests * LEAK,
        saw_tooth,
        step,
        warm_up,
    ],
)
def test_memory_that_does_not_grow_for_good_is_no_leak(series: Callable[[int], float]) -> None:
    assert leaks(series) == []


def test_cache_that_is_full_after_a_window_is_no_leak() -> None:
    # 800 MiB by the end; the window is full after 10,000 requests, when the growth has levelled off
    assert leaks(plateau) == []


@pytest.mark.parametrize(
    "series",
    [
        lambda requests: requests * LEAK,
        lambda requests: requests * LEAK + noise(random.Random(requests)),
        lambda requests: requests * LEAK + saw_tooth(requests),
        lambda requests: requests * LEAK + step(requests),
        lambda requests: max(requests - 20_000, 0) * LEAK,
    ],
)
def test_leak_is_told_once(series: Callable[[int], float]) -> None:
    (text,) = leaks(series)
    assert "MiB per 1,000 requests" in text


def test_text_says_how_much_and_what_to_do() -> None:
    (text,) = leaks(lambda requests: requests * LEAK)
    assert text.startswith("the memory of this worker grows by 100.1 MiB per 1,000 requests: from ")
    assert text.endswith("have workers replaced meanwhile (DRUM_UVICORN_MAX_REQUESTS)")
    assert "within the last 9900 requests" in text


def test_leak_that_comes_back_is_told_again() -> None:
    def twice(requests: int) -> float:
        return min(requests, 30_000) * LEAK + max(requests - 60_000, 0) * LEAK

    assert len(leaks(twice)) == 2


def test_few_requests_with_noise_are_no_leak() -> None:
    # one MiB of noise is much for each of a few requests
    assert leaks(lambda requests: 0, requests_between=1) == []


def test_idle_server_keeps_its_window() -> None:
    detector = MemoryLeakDetector(sample_window=20)
    for number in range(19):
        detector.record_sample(1000 + number, BASE)
    for _ in range(100):
        detector.record_sample(1019, BASE)
    assert detector.check_for_leak() == (False, "")
    assert detector.growth == 0


def test_nothing_is_said_before_the_window_is_full() -> None:
    detector = MemoryLeakDetector(sample_window=20)
    for number in range(19):
        detector.record_sample(1000 * number, BASE + number * 1000 * MIB)
    assert detector.check_for_leak() == (False, "")
    assert detector.growth is None
