"""Slopes and their intervals: what is called growth, and what is not."""

from __future__ import annotations

import random

import pytest
from scipy import stats

from growth import Floor, Point, blocks, fit

FLOOR = Floor(rate=0.05, whole=10)


def line(slope: float, noise: float = 0.0, count: int = 200, start: float = 100.0) -> list[Point]:
    """Points 100 requests apart; `slope` for each 1,000."""
    rng = random.Random(7)
    places = [100.0 * number for number in range(count)]
    return [Point(at, start + slope * at / 1000 + rng.gauss(0, noise)) for at in places]


def test_fit_of_one_group_is_that_of_scipy():
    cut = blocks(line(0.3, noise=2))
    expected = stats.theilslopes(
        [point.figure for point in cut], [point.requests / 1000 for point in cut], 0.99
    )
    found = fit([line(0.3, noise=2)])
    assert found is not None
    assert (found.slope, found.low, found.high) == pytest.approx(
        (expected.slope, expected.low_slope, expected.high_slope)
    )


def test_leak_of_a_megabyte_in_100_requests_is_growth():
    growth = fit([line(10, noise=3)])
    assert growth is not None
    assert growth.low < 10 < growth.high
    assert FLOOR.is_passed_by(growth)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_growth(seed):
    rng = random.Random(seed)
    growth = fit([[Point(number, rng.gauss(100, 5)) for number in range(200)]])
    assert growth is not None
    assert not FLOOR.is_passed_by(growth)


def test_one_step_is_no_growth():
    points = [Point(number * 100, 150.0 if number > 90 else 100.0) for number in range(200)]
    growth = fit([points])
    assert growth is not None
    assert growth.low <= 0


def test_rise_that_ends_is_no_growth():
    points = [Point(n * 100, 100 + 50 * (1 - 0.97**n)) for n in range(200)]
    growth = fit([points])
    assert growth is not None
    assert growth.low > 0
    assert growth.whole > FLOOR.whole
    assert not FLOOR.is_passed_by(growth)


@pytest.mark.parametrize("slope", [0.04, 0.3])
def test_sure_growth_below_a_floor_is_none(slope):
    growth = fit([line(slope)])
    assert growth is not None
    assert growth.low > 0
    assert not FLOOR.is_passed_by(growth)


def test_groups_are_not_compared_with_each_other():
    growth = fit([line(0, start=100), line(0, start=500)])
    assert growth is not None
    assert (growth.slope, growth.low, growth.high) == (0, 0, 0)


def test_growth_in_the_whole_is_slope_times_requests():
    growth = fit([line(2)])
    assert growth is not None
    assert growth.whole == pytest.approx(2 * growth.requests / 1000)


@pytest.mark.parametrize("groups", [[], [[]], [line(1, count=5)], [[Point(1, 1)] * 30]])
def test_few_points_say_nothing(groups):
    assert fit(groups) is None
