"""What a server under load of 50 clients loses: nothing, but what was on a worker that was killed.

Counted by clients of our own (`tests/operations/load.py`); 10 of the 50 open a connection for each
request.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from tests.operations.fronts import PRODUCTION, production_front, serving, wait_for, workers_of
from tests.operations.load import Load, Tally

pytestmark = pytest.mark.tools

MODEL = """
import time
import pandas as pd


def load_model(code_dir):
    time.sleep(0.5)  # long enough to lose requests where nobody serves meanwhile
    return "model"


def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": data["a"] * 2.0})
"""


class Loads:
    """Both kinds of clients."""

    def __init__(self, port: int) -> None:
        self.parts = (Load(port, 40), Load(port, 10, keeps_alive=False))

    @property
    def lost(self) -> list[str]:
        return [text for part in self.parts for text in part.tally.lost]

    def wait_for_answers(self, count: int) -> None:
        for part in self.parts:
            part.wait_for_answers(count // 2)


@contextmanager
def loaded(server) -> Iterator[Loads]:
    loads = Loads(server.port)
    with loads.parts[0], loads.parts[1]:
        loads.wait_for_answers(50)
        yield loads


@pytest.fixture
def serve(running_server, tmp_path):
    (tmp_path / "custom.py").write_text(MODEL)

    def serve(front, **env):
        # a greenlet that waits for its client holds one of them
        env["DRUM_WORKER_CONNECTIONS"] = "100"
        return serving(running_server, front, tmp_path, "--max-workers", "2", env=env)

    return serve


def nothing_but_200(tally: Tally) -> bool:
    return set(tally.statuses) == {200}


@production_front
def test_reload_kill_and_stop_under_load(serve, front):
    with serve(front) as server:
        with loaded(server) as loads:
            first = workers_of(server)
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: first.isdisjoint(workers_of(server)), "the next workers")
            loads.wait_for_answers(50)
            assert loads.lost == []

            at_most = kill_one_of(workers_of(server))
            loads.wait_for_answers(100)
            lost = len(loads.lost)
            assert lost <= at_most

            wait_for(lambda: len(workers_of(server)) == 2, "both workers")
            loads.wait_for_answers(50)
            server.process.terminate()
            assert server.process.wait(30) == 0
        assert len(loads.lost) == lost
        assert all(nothing_but_200(part.tally) for part in loads.parts)


def kill_one_of(workers: set[int]) -> int:
    """Kill one; the number of connections that it had."""
    worker = psutil.Process(min(workers))
    os.kill(worker.pid, signal.SIGSTOP)  # they must not change while they are counted
    connections = [
        connection
        for connection in worker.net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED
    ]
    os.kill(worker.pid, signal.SIGKILL)
    return len(connections)


@pytest.mark.parametrize("front", [PRODUCTION[0], PRODUCTION[-1]], ids=str)
def test_recycling_under_load_loses_nothing(serve, front):
    env = {"DRUM_GUNICORN_MAX_REQUESTS": "100", "DRUM_GUNICORN_MAX_REQUESTS_JITTER": "20"}
    with serve(front, **env) as server:
        first = workers_of(server)
        with loaded(server) as loads:
            wait_for(lambda: first.isdisjoint(workers_of(server)), "other workers")
            loads.wait_for_answers(50)
        assert loads.lost == []
        assert all(nothing_but_200(part.tally) for part in loads.parts)
