"""Percentiles within their promise, in memory that does not grow."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from datarobot_drum.drum.cli.load_test.histogram import Histogram


def filled(values) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@pytest.mark.parametrize("percent", [0, 10, 50, 95, 99, 99.9, 100])
def test_percentile_is_within_one_per_cent_of_the_exact_one(percent):
    values = [random.Random(5).lognormvariate(-4, 1.5) for _ in range(5000)]
    exact = np.percentile(values, percent, method="inverted_cdf")
    assert math.isclose(filled(values).percentile(percent), exact, rel_tol=0.0101)


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.004, 1.0, 37.5, 3600.0])
def test_all_percentiles_of_one_value_are_that_value(value):
    histogram = filled([value])
    assert [histogram.percentile(percent) for percent in (0, 50, 99, 100)] == [value] * 4


def test_least_mean_and_greatest_are_exact():
    histogram = filled([0.1, 0.2, 0.6])
    assert (histogram.least, histogram.greatest, histogram.count) == (0.1, 0.6, 3)
    assert histogram.mean == pytest.approx(0.3)


def test_nothing_has_zero_everywhere():
    assert (Histogram().mean, Histogram().percentile(50)) == (0.0, 0.0)


def test_memory_is_bounded_by_the_range_not_by_the_number():
    histogram = filled(10 ** random.Random(1).uniform(-7, 4) for _ in range(50_000))
    assert len(histogram._buckets) < 2600
