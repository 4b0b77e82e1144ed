"""Metrics of one worker: what a request is counted in, and the page."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY, Counter
from prometheus_client.parser import text_string_to_metric_families

from datarobot_drum.drum.observability.metric_table import (
    METRICS,
    OTHER_BUCKETS,
    PREDICTION_BUCKETS,
)
from datarobot_drum.drum.observability.metrics import Metrics
from datarobot_drum.drum.observability.record import UNMATCHED, Record

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]
PREDICT = ("POST", "/predict/")


def ended(
    method: str = "POST", route: str = "/predict/", status: int = 200, **facts: float | str
) -> Record:
    """A record of a request that has been answered."""
    record = Record("id", method, str(facts.get("target", route)))
    record.route, record.status = route, status
    record.seconds = float(facts.get("seconds", 0.01))
    record.failed = bool(facts.get("failed", False))
    return record


def figures(metrics: Metrics) -> Figures:
    """Every sample of the page, by its name and labels."""
    families = text_string_to_metric_families(metrics.page().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset({"server_type": "flask", **values}.items())


def requests(method: str, endpoint: str, status: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return "drum_requests_total", labels(method=method, endpoint=endpoint, status=status)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("flask", [PREDICT], {"/predictions": "/predict/", "/predict/": "/predict/"})


def test_request_is_counted_and_timed(metrics: Metrics) -> None:
    for seconds in (0.1, 0.3):
        metrics.record(ended(seconds=seconds))
    found = figures(metrics)
    assert found[requests("POST", "/predict/", "200")] == 2
    timed = labels(method="POST", endpoint="/predict/")
    assert found["drum_request_duration_seconds_count", timed] == 2
    assert found["drum_request_duration_seconds_sum", timed] == pytest.approx(0.4)


def test_answer_that_was_cut_off_is_counted(metrics: Metrics) -> None:
    metrics.record(ended())
    metrics.record(ended(failed=True))
    name = "drum_responses_incomplete_total"
    assert figures(metrics)[name, labels(method="POST", endpoint="/predict/")] == 1


def test_failures_of_predictions_are_series_from_the_start(metrics: Metrics) -> None:
    found = figures(metrics)
    for status in ("200", "500", "503", "504", "513"):
        assert found[requests("POST", "/predict/", status)] == 0


def test_path_that_was_not_routed_has_its_template(metrics: Metrics) -> None:
    for target in ("/predictions", "/predictions?a=1", "/nope", "/nope/2"):
        metrics.record(ended(route=UNMATCHED, status=401, target=target))
    found = figures(metrics)
    assert found[requests("POST", "/predict/", "401")] == 2
    assert found[requests("POST", "unmatched", "401")] == 2


def test_invented_methods_are_one_series(metrics: Metrics) -> None:
    for word in ("BREW", "brew", "X" * 1000):
        metrics.record(ended(word, UNMATCHED, 405))
    assert figures(metrics)[requests("other", "unmatched", "405")] == 3
    assert len(metrics._requests) == 1


@pytest.mark.parametrize(
    ("route", "bounds"), [("/predict/", PREDICTION_BUCKETS), ("/ping/", OTHER_BUCKETS)]
)
def test_predictions_have_fine_buckets(
    route: str, bounds: tuple[float, ...], metrics: Metrics
) -> None:
    metrics.record(ended(route=route))
    shown = [
        float(dict(key)["le"])
        for name, key in figures(metrics)
        if name == "drum_request_duration_seconds_bucket" and dict(key)["endpoint"] == route
    ]
    assert shown == [*bounds, math.inf]


def test_prediction_buckets_grow_by_a_fifth_from_one_millisecond_to_ten_seconds() -> None:
    fine = [bound for bound in PREDICTION_BUCKETS if bound <= 10]
    assert (fine[0], fine[-1]) == (0.001, 10.0)
    growths = [after / before for before, after in zip(fine, fine[1:], strict=False)]
    assert all(1.09 < growth < 1.22 for growth in growths)
    assert list(PREDICTION_BUCKETS) == sorted(set(PREDICTION_BUCKETS))


def test_gauges_and_counters_are_told(metrics: Metrics) -> None:
    metrics.set("drum_workers", 1, "ready")
    metrics.add("drum_requests_rejected_total", 3, "queue_full")
    found = figures(metrics)
    assert found["drum_workers", labels(state="ready")] == 1
    assert found["drum_requests_rejected_total", labels(reason="queue_full")] == 3


def test_page_has_each_metric_once_in_order(metrics: Metrics) -> None:
    metrics.record(ended())
    metrics.record(ended("GET", "/ping/"))
    kinds = [line.split()[2] for line in metrics.page().decode().split("\n") if "# TYPE" in line]
    names = [kind.removesuffix("_total") for kind in kinds]
    assert names == sorted(set(names))
    assert {row.name for row in METRICS} <= set(kinds)
    assert "_created" not in "".join(kind for kind in kinds if kind.startswith("drum_"))


@pytest.fixture
def own_counter() -> Iterator[Counter]:
    counter = Counter("jokes_told", "What model code counts itself.")
    yield counter
    REGISTRY.unregister(counter)


def test_metrics_of_model_code_are_told(metrics: Metrics, own_counter: Counter) -> None:
    own_counter.inc(5)
    assert figures(metrics)["jokes_told_total", frozenset()] == 5


def test_every_metric_has_a_sentence_and_a_way_to_be_summed() -> None:
    for row in METRICS:
        assert row.name.startswith("drum_") and row.doc.endswith(".")
        assert (row.kind == "gauge") == bool(row.over_workers)
        assert (row.kind == "counter") == row.name.endswith("_total")
