"""`/metrics` of several workers against what clients have counted, through all that workers meet.

Row 8 of the conformance table: 2 workers, `/metrics` sums, keys of `/stats/`.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer, ServerContext
from tests.operations.commands import COMMANDED, CommandedServer, row
from tests.operations.fronts import (
    FLASK,
    PRODUCTION,
    SYNC,
    Front,
    every_front,
    serving,
    wait_for,
    workers_of,
)
from tests.operations.mixed_load import Tally, mix, prediction, send
from tests.operations.scraped import Page

LIMIT = 2000
SETTINGS = {
    "DRUM_CLIENT_REQUEST_TIMEOUT": "2",
    "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH": "4",
    "DRUM_WORKER_CONNECTIONS": "100",
    "DRUM_FASTAPI_MAX_UPLOAD_SIZE": str(LIMIT),
}
RECYCLING = {"DRUM_GUNICORN_MAX_REQUESTS": "80", "DRUM_GUNICORN_MAX_REQUESTS_JITTER": "20"}
WITH_A_LINE = [front for front in PRODUCTION if front is not SYNC]
#: for each wait of a hook another one
numbers = itertools.count(1)
STATUSES = {"200", "404", "405", "413", "422", "500", "503", "504"}


@contextmanager
def commanded(
    running_server: ServerContext, front: Front, place: Path, workers: int, **env: str
) -> Iterator[CommandedServer]:
    """A server with so many workers, all of them ready."""
    env = {"COMMAND_PLACE": str(place), **SETTINGS, **env}
    options = ("--max-workers", str(workers))
    with serving(running_server, front, COMMANDED, *options, env=env) as server:
        ready = 1 if front is FLASK else workers
        wait_for(lambda: ready_workers(server) == ready, "all workers")
        yield CommandedServer(server, place)


def ready_workers(server: RunningServer) -> float:
    return Page.of(server).value("drum_workers", state="ready")


def load(server: RunningServer, workers: int) -> Tally:
    """Good requests, errors, and more than the line before the model can hold."""
    busy = [prediction(row("sleep", 0.1))] * 12 * workers
    return send(server.port, mix(8, LIMIT)) + send(server.port, busy, 12 * workers)


def load_that_takes_too_long(server: RunningServer, workers: int) -> Tally:
    return send(server.port, [prediction(row("sleep", 2.2))] * workers, workers)


def totals_are(server: RunningServer, tally: Tally) -> None:
    """What the server tells comes to be exactly this: an answer is counted when it was sent."""
    wait_for(lambda: Page.of(server).requests.total() >= tally.total(), "all counts", 10)
    page = Page.of(server)
    assert page.requests == tally
    by_route: Counter[tuple[str, str]] = Counter()
    for (method, endpoint, _), count in tally.items():
        by_route[method, endpoint] += count
    assert +page.observed == by_route


def reasons_agree(server: RunningServer, tally: Tally) -> None:
    """What was turned away and what took too long are counted by their reason, too.

    A worker that does not serve answers 503 as well, and an upload that is too slow 504.
    """
    statuses: Counter[str] = Counter()
    for (_, _, status), count in tally.items():
        statuses[status] += count
    page = Page.of(server)
    refused = ("drum_requests_rejected_total", "drum_requests_timed_out_total")
    assert 0 < sum(map(page.value, refused)) <= statuses["503"]
    assert 0 < page.value("drum_requests_deadline_exceeded_total") <= statuses["504"]


@every_front
def test_two_workers_are_told_as_one_and_stats_of_one(
    running_server: ServerContext, tmp_path: Path, front: Front
):
    workers = 1 if front is FLASK else 2
    with commanded(running_server, front, tmp_path, workers=2) as commands:
        server = commands.server
        totals_are(server, send(server.port, mix(2, LIMIT)))
        page = Page.of(server)
        assert page.value("drum_executor_workers") == workers
        assert page.value("drum_worker_starts_total") == workers
        assert page.value("drum_memory_bytes", type="pss") > 0
        stats = server.get("/stats/").json()
    assert set(stats) == {"drum_info", "mem_info", "time_info", "server"}
    assert set(stats["drum_info"][0]) == {"pid", "cmdline", "mem", "cpu_percent"}
    assert set(stats["time_info"]["run_predictor_total"]) == {"min", "max", "avg", "total"}
    assert set(stats["mem_info"]) == {
        *("total", "avail", "free", "drum_rss"),
        *("container_limit", "container_max_used", "container_used"),
    }
    assert {"state", "queue", "pid", "workers", "requests", "memory"} <= set(stats["server"])
    assert stats["server"]["workers"] == workers


@pytest.mark.parametrize("front", WITH_A_LINE, ids=str)
def test_totals_are_those_of_the_clients_whatever_becomes_of_workers(
    running_server: ServerContext, tmp_path: Path, front: Front
):
    with commanded(running_server, front, tmp_path, workers=2) as commands:
        server = commands.server
        tally = load(server, workers=2) + load_that_takes_too_long(server, workers=2)
        totals_are(server, tally)
        reasons_agree(server, tally)
        assert {status for _, _, status in tally} == STATUSES

        reload(server)
        totals_are(server, tally)
        tally += send(server.port, mix(2, LIMIT))
        totals_are(server, tally)

        tally += kill_in_a_hook(commands)
        tally += send(server.port, mix(2, LIMIT))
        totals_are(server, tally)
        wait_for(lambda: ready_workers(server) == 2, "the next worker")
        assert Page.of(server).value("drum_executor_workers") == 2


def reload(server: RunningServer) -> None:
    first = workers_of(server)
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: first.isdisjoint(workers_of(server)), "the next workers")
    wait_for(lambda: ready_workers(server) == 2, "both of them")


def kill_in_a_hook(commands: CommandedServer) -> Tally:
    """Kill a worker that computes: what it did is no longer in progress. Answers of before it."""

    def in_progress() -> float:
        return Page.of(commands.server).value("drum_predictions_in_progress")

    begun = commands.begun()
    with ThreadPoolExecutor(1) as client:
        sent = client.submit(commands.send, "wait", next(numbers))
        worker = commands.wait_for_begin(begun + 1)
        wait_for(lambda: in_progress() == 1, "the request in progress")
        os.kill(worker, signal.SIGKILL)
        error = sent.exception()
    wait_for(lambda: in_progress() == 0, "nothing in progress")
    # lost, unless it had already taken too long
    assert error is None or isinstance(error, httpx.TransportError)
    return Tally() if error else Tally([("POST", "/predict/", str(sent.result().status_code))])


@pytest.mark.parametrize("front", WITH_A_LINE, ids=str)
def test_totals_of_four_workers_that_are_recycled(
    running_server: ServerContext, tmp_path: Path, front: Front
):
    with commanded(running_server, front, tmp_path, 4, **RECYCLING) as commands:
        server = commands.server
        tally = load(server, workers=4)
        wait_for(lambda: Page.of(server).value("drum_worker_starts_total") > 4, "others")
        tally += send(server.port, mix(10, LIMIT))
        totals_are(server, tally)
