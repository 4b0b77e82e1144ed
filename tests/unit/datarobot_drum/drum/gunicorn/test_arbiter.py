"""The arbiter where the system lets it start no worker, and what it tells new ones."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
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


#: Ends with 7 when its worker has not heard of the SIGTERM that came right after the fork.
TERM_AFTER_FORK = """
import os, signal, sys

from gunicorn.app.base import BaseApplication
from gunicorn.workers.base import Worker

from datarobot_drum.drum.gunicorn.arbiter import DrumArbiter
from datarobot_drum.drum.gunicorn.draining import Draining


class Served(Worker):
    def run(self):
        sys.exit(7 if self.alive else 0)


class Waiting(Draining, Served):
    pass


class Application(BaseApplication):
    def load_config(self):
        self.cfg.set("worker_class", Waiting)
        self.cfg.set("post_fork", lambda arbiter, worker: os.kill(os.getpid(), signal.SIGTERM))

    def load(self):
        return print


arbiter = DrumArbiter(Application())
arbiter.pid, arbiter.WORKERS, arbiter.LISTENERS = os.getpid(), {}, []
arbiter.init_signals()
_, status = os.waitpid(arbiter.spawn_worker(), 0)
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
sys.exit(8 if blocked else os.waitstatus_to_exitcode(status))
"""


def test_signal_right_after_the_fork_reaches_the_worker():
    ended = subprocess.run([sys.executable, "-c", TERM_AFTER_FORK], timeout=60)
    assert ended.returncode == 0
