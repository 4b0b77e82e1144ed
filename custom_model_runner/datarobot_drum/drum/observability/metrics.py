"""Figures for Prometheus: how they are counted in a worker, and told of all workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from datarobot_drum.drum.observability.metric_files import MetricFiles
from datarobot_drum.drum.observability.metric_table import (
    INCOMPLETE,
    METRICS,
    OTHER_BUCKETS,
    PREDICTION_BUCKETS,
    REQUESTS,
    SERVER_TYPE,
    MetricRow,
)
from datarobot_drum.drum.observability.record import CLIENT_LEFT, UNMATCHED, Record

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram, Metric

logger = logging.getLogger("drum.metrics")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: A client may send any word as its method; each would be a series for ever.
METHODS = frozenset(("GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"))
OTHER_METHOD = "other"

#: Series that are there from the start: a rate needs a value before the first failure.
STARTING_STATUSES = (200, 500, 503, 504, 513)


class Series(NamedTuple):
    """What a request with one method, route and status is counted in."""

    requests: Counter
    seconds: Histogram
    incomplete: Counter


class Metrics:
    """All metrics of one worker.

    `predictions` are methods and route templates that run the model; `templates` maps the paths of
    the table to one spelling each, for requests that an extension answered before the route did.
    Without `files` only this process is told.
    """

    def __init__(
        self,
        server_type: str,
        predictions: Iterable[tuple[str, str]] = (),
        templates: Mapping[str, str] | None = None,
        files: MetricFiles | None = None,
    ) -> None:
        self._server_type = server_type
        self._files = files
        self._templates = templates or {}
        self._predictions = frozenset(predictions)
        if files is not None:
            from datarobot_drum.drum.observability.shared_values import keep_values_in

            keep_values_in(files.folder)
        self._requests: dict[tuple[str, str, int], Series] = {}
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}
        self._make()
        for method, template in self._predictions:
            for status in STARTING_STATUSES:
                self._count(REQUESTS, method, template, str(status))

    def _make(self) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        for row in METRICS:
            labels = (*row.labels, SERVER_TYPE)
            if row.kind == "counter":
                self._counters[row.name] = Counter(row.name, row.doc, labels, registry=None)
            elif row.kind == "gauge":
                self._gauges[row.name] = _gauge(Gauge, row, labels)
            else:
                # the same name twice: a registry refuses that, the text format merges them
                self._fine, self._coarse = (
                    Histogram(row.name, row.doc, labels, registry=None, buckets=buckets)
                    for buckets in (PREDICTION_BUCKETS, OTHER_BUCKETS)
                )

    def record(self, record: Record) -> None:
        """Count one answered request."""
        route = self._templates.get(record.route, record.route)
        if route == UNMATCHED:
            # turned away before it was routed
            route = self._templates.get(record.target.partition("?")[0], UNMATCHED)
        method = record.method if record.method in METHODS else OTHER_METHOD
        key = method, route, record.status or CLIENT_LEFT
        series = self._requests.get(key)
        if series is None:
            series = self._requests[key] = self._series(*key)
        series.requests.inc()
        series.seconds.observe(record.seconds)
        if record.failed:
            series.incomplete.inc()

    def _series(self, method: str, route: str, status: int) -> Series:
        histogram = self._fine if (method, route) in self._predictions else self._coarse
        return Series(
            self._count(REQUESTS, method, route, str(status)),
            histogram.labels(method, route, self._server_type),
            self._count(INCOMPLETE, method, route),
        )

    def _count(self, name: str, *labels: str) -> Counter:
        return self._counters[name].labels(*labels, self._server_type)

    def add(self, name: str, amount: float, *labels: str) -> None:
        """Count `amount` more; the labels are those of the table, in its order."""
        self._count(name, *labels).inc(amount)

    def set(self, name: str, value: float, *labels: str) -> None:
        """What a gauge shows from now on."""
        self._gauges[name].labels(*labels, self._server_type).set(value)

    def page(self) -> bytes:
        """The text of `/metrics`; it reads files.

        TimeoutError when the files of the workers cannot be read for now.
        """
        from prometheus_client import generate_latest

        return generate_latest(_Families(sorted(self._collect(), key=lambda found: found.name)))

    def _collect(self) -> Iterable[Metric]:
        if self._files is not None:
            return self._files.families()
        from prometheus_client import REGISTRY

        return [*self._own(), *REGISTRY.collect()]

    def _own(self) -> Iterator[Metric]:
        for metric in (*self._counters.values(), *self._gauges.values(), self._fine):
            for family in metric.collect():
                if metric is self._fine:
                    family.samples += [s for found in self._coarse.collect() for s in found.samples]
                # when a series was made is no figure of its own in the text format
                family.samples = [s for s in family.samples if not s.name.endswith("_created")]
                yield family


def _gauge(make: Callable[..., Gauge], row: MetricRow, labels: tuple[str, ...]) -> Gauge:
    return make(row.name, row.doc, labels, registry=None, multiprocess_mode=row.over_workers)


class _Families:
    """What `generate_latest` takes for a registry."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Every metric."""
        return self._families
