"""What metrics cost: microseconds of a request, and seconds of a scrape by number of processes.

    .venv/bin/python bench/metrics_cost.py

Each process counts the same requests into files of its own, as workers do; then the page is made
as `/metrics` makes it. Ended processes are counted and merged as the arbiter does when it replaces
a worker.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

from datarobot_drum.drum.observability.metric_files import MetricFiles
from datarobot_drum.drum.observability.metrics import Metrics
from datarobot_drum.drum.observability.record import Record
from datarobot_drum.drum.root_predictors.worker_figures import make_metrics

REQUESTS = 200_000
WORKERS = (1, 4, 50)
RECYCLED = 2000
SCRAPES = 11
STATUSES = (200, 422, 500)
ROUTES = (("POST", "/predict/"), ("GET", "/livez"), ("GET", "/readyz"), ("GET", "/metrics"))


def count_some(metrics: Metrics) -> None:
    """What a worker that serves predictions and probes has counted."""
    for method, route in ROUTES:
        for status in STATUSES:
            metrics.record(answered(method, route, status))
    for kind in ("rss", "pss", "vms", "shared"):
        metrics.set("drum_memory_bytes", 1.0, kind)
    metrics.set("drum_model_load_seconds", 1.0)


def answered(method: str, route: str, status: int) -> Record:
    """The record of a request."""
    record = Record("id", method, route)
    record.route, record.status, record.seconds = route, status, 0.01
    return record


def microseconds_of_a_request(metrics: Metrics) -> float:
    """Mean of many, with everything that the sink does."""
    record = answered("POST", "/predict/", 200)
    metrics.record(record)
    began = time.perf_counter()
    for _ in range(REQUESTS):
        metrics.record(record)
    return (time.perf_counter() - began) / REQUESTS * 1e6


def in_process(work: Callable[[], None], stay: int) -> int:
    """Run it in a fork that lives until the pipe `stay` is closed; its pid once it is done."""
    done, tell = os.pipe()
    pid = os.fork()
    if not pid:
        work()
        os.write(tell, b"x")
        if stay >= 0:
            os.read(stay, 1)
        os._exit(0)
    os.read(done, 1)
    os.close(done)
    os.close(tell)
    return pid


def milliseconds_of_a_scrape(metrics: Metrics) -> float:
    """Median of several."""
    took = []
    for _ in range(SCRAPES):
        began = time.perf_counter()
        metrics.page()
        took.append((time.perf_counter() - began) * 1e3)
    return statistics.median(took)


def scrape_of(workers: int) -> tuple[int, float]:
    """How many files that many running workers have, and milliseconds of a scrape."""
    files = MetricFiles.create()
    stay, leave = os.pipe()

    def work() -> None:
        os.close(leave)
        count_some(make_metrics("fastapi", "", files))

    pids = [in_process(work, stay) for _ in range(workers)]
    count = sum(1 for _ in files.folder.glob("*.db"))
    took = milliseconds_of_a_scrape(make_metrics("fastapi", "", files))
    os.close(leave)
    for pid in pids:
        os.waitpid(pid, 0)
    files.remove()
    return count, took


def after_recycling() -> tuple[int, float, float]:
    """Files that are left of many ended workers, milliseconds to merge one, and of a scrape."""
    files = MetricFiles.create()
    took = []
    for _ in range(RECYCLED):
        pid = in_process(lambda: count_some(make_metrics("fastapi", "", files)), -1)
        os.waitpid(pid, 0)
        began = time.perf_counter()
        files.forget(pid)
        took.append((time.perf_counter() - began) * 1e3)
    count = sum(1 for _ in files.folder.glob("*.db"))
    scrape = milliseconds_of_a_scrape(make_metrics("fastapi", "", files))
    files.remove()
    return count, statistics.median(took), scrape


def main() -> None:
    """Print one line for each figure."""
    say = sys.stdout.write
    say(f"a request, figures of one process: {microseconds_of_a_request(alone()):.1f} us\n")
    files = MetricFiles.create()
    shared = microseconds_of_a_request(make_metrics("fastapi", "", files))
    files.remove()
    say(f"a request, figures in files: {shared:.1f} us\n")
    for workers in WORKERS:
        count, took = scrape_of(workers)
        say(f"a scrape of {workers} workers, {count} files: {took:.1f} ms\n")
    count, merge, took = after_recycling()
    say(f"{RECYCLED} ended workers left {count} files; to merge one took {merge:.1f} ms, ")
    say(f"a scrape afterwards {took:.1f} ms\n")


def alone() -> Metrics:
    """Metrics of a server with one process."""
    return make_metrics("flask", "", None)


if __name__ == "__main__":
    main()
