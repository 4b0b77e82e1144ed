"""Every metric of `/metrics`, declared once; docs/reference/metrics.md is written from it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

#: on every metric, last
SERVER_TYPE = "server_type"

#: The latency of an answer is known to a fifth (percentiles are read between two bounds).
GROWTH = 1.2
LEAST, GREATEST = 0.001, 10.0
#: predictions may take minutes; there only the order of magnitude counts
SLOW = (20.0, 60.0, 180.0, 600.0)


def _rounded(value: float) -> float:
    return round(value, 2 - math.floor(math.log10(value)))


def prediction_buckets() -> tuple[float, ...]:
    """Upper bounds in seconds for routes that run the model."""
    growing = (LEAST * GROWTH**n for n in itertools.count())
    fine = itertools.takewhile(lambda bound: bound < GREATEST, growing)
    return (*map(_rounded, fine), GREATEST, *SLOW)


PREDICTION_BUCKETS = prediction_buckets()
OTHER_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0)


@dataclass(frozen=True)
class MetricRow:
    """One metric.

    `over_workers` tells how the figures of several workers become one: `livesum` adds those of
    running workers, `livemax` takes the greatest. Counters and histograms are always added, those
    of workers that have ended included.
    """

    name: str
    kind: str
    doc: str
    labels: tuple[str, ...] = ()
    over_workers: str = ""


def _counter(name: str, doc: str, *labels: str) -> MetricRow:
    return MetricRow(name, "counter", doc, labels)


def _gauge(name: str, doc: str, *labels: str, over_workers: str = "livesum") -> MetricRow:
    return MetricRow(name, "gauge", doc, labels, over_workers)


REQUESTS = "drum_requests_total"
DURATION = "drum_request_duration_seconds"
INCOMPLETE = "drum_responses_incomplete_total"

METRICS = (
    _counter(
        REQUESTS,
        "Answered requests. The status is 499 when the client left before an answer.",
        *("method", "endpoint", "status"),
    ),
    MetricRow(
        DURATION,
        "histogram",
        "Seconds from a request's head to the end of its answer, waiting included.",
        ("method", "endpoint"),
    ),
    _counter(
        INCOMPLETE,
        "Answers that were cut off: the client left, or the server failed, before their end.",
        *("method", "endpoint"),
    ),
    _gauge("drum_predictions_in_progress", "Requests that wait for the model or run in it."),
    _gauge("drum_executor_queue_depth", "Requests that wait for a prediction thread."),
    _gauge("drum_executor_queue_limit", "Requests that may wait for a prediction thread."),
    _gauge("drum_executor_workers_busy", "Prediction threads that run the model."),
    _gauge("drum_executor_workers", "Prediction threads that may run the model at a time."),
    _counter("drum_requests_accepted_total", "Requests for the model that were let in."),
    _counter(
        "drum_requests_rejected_total", "Requests for the model that were turned away.", "reason"
    ),
    _counter(
        "drum_requests_timed_out_total", "Requests that waited too long for a prediction thread."
    ),
    _counter(
        "drum_requests_deadline_exceeded_total",
        "Requests that the model did not answer within DRUM_CLIENT_REQUEST_TIMEOUT.",
    ),
    _counter(
        "drum_requests_abandoned_total", "Requests whose client left before the model was done."
    ),
    _gauge(
        "drum_oldest_request_seconds",
        "Seconds that the longest waiting request has waited for a prediction thread.",
        over_workers="livemax",
    ),
    _gauge("drum_body_bytes_held", "Bytes of request bodies that are held."),
    _gauge("drum_workers", "Workers by state: starting, ready, draining, stuck, failed.", "state"),
    _counter("drum_worker_starts_total", "Workers that were started, replaced ones included."),
    _gauge(
        "drum_model_info",
        "Always 1; its labels tell what is served.",
        *("version", "target_type", "language", "predictor"),
        over_workers="livemax",
    ),
    _gauge(
        "drum_model_load_seconds",
        "Seconds that loading the model took, in the slowest worker.",
        over_workers="livemax",
    ),
    _gauge(
        "drum_memory_bytes",
        "Memory of all workers: rss, pss (shared pages divided by their users), vms, shared.",
        "type",
    ),
    _gauge(
        "drum_container_memory_bytes",
        "Memory of the container: limit, used, peak, inactive_file.",
        "type",
        over_workers="livemax",
    ),
    _gauge(
        "drum_memory_growth_bytes_per_request",
        "Trend of a worker's memory with the requests it has served, of the worst worker "
        "(DRUM_MEMORY_LEAK_ENABLED).",
        over_workers="livemax",
    ),
)
