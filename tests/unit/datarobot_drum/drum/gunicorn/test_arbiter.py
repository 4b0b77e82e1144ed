"""The arbiter where the system lets it start no worker."""

from __future__ import annotations

import errno
import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.app.base import BaseApplication
from gunicorn.errors import HaltServer
from gunicorn.workers.base import Worker

from datarobot_drum.drum.gunicorn.arbiter import DrumArbiter


class Unstartable(Worker):
    """A worker that the system has no room for."""

    def __init__(self, *args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


class Application(BaseApplication):
    """Gunicorn's, with such workers."""

    def load_config(self) -> None:
        self.cfg.set("worker_class", Unstartable)
        self.cfg.set("control_socket_disable", True)


@pytest.fixture
def arbiter() -> DrumArbiter:
    arbiter = DrumArbiter(Application())
    arbiter.pid, arbiter.WORKERS = os.getpid(), {}
    return arbiter


def ready_worker(pid: int) -> SimpleNamespace:
    board = SimpleNamespace(ready=True, leaving=False, must_wait=False, wants_successor=False)
    return SimpleNamespace(pid=pid, age=1, started=time.monotonic(), board=board)


def test_server_that_can_start_no_first_worker_ends(arbiter):
    with pytest.raises(HaltServer, match="failed to boot"):
        arbiter.manage_workers()


def test_workers_that_serve_go_on_when_no_other_can_be_started(arbiter, caplog):
    serving = ready_worker(1)
    arbiter.WORKERS[1] = serving
    arbiter.restarts.look_at(1, [serving])
    arbiter.num_workers = 2
    arbiter.manage_workers()
    arbiter.manage_workers()
    assert caplog.text.count("no worker can be started: [Errno 28] No space") == 2
    # and the pause has begun
    assert not arbiter.restarts.may_start()
    assert set(arbiter.WORKERS) == {1}
