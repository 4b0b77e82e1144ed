"""What a worker does that is not needed yet."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.workers.base import Worker

from datarobot_drum.drum import noticeboard
from datarobot_drum.drum.gunicorn.draining import Draining, DrainingGevent


class Served(Worker):
    """Ends as soon as it serves."""

    def run(self) -> None:
        """Nothing."""


class WaitingThreads(Draining, Served):
    """A worker whose waiting is that of most classes."""


class WaitingGreenlets(DrainingGevent, Served):
    """The one that waits in its own way."""


@pytest.fixture
def board() -> Iterator[noticeboard.Noticeboard]:
    before = noticeboard.own()
    board = noticeboard.Noticeboard()
    board.must_wait = True
    noticeboard.take(board)
    yield board
    noticeboard.take(before)


def wait_for_sign_of_life(worker: Worker) -> None:
    before, end = worker.tmp.last_update(), time.monotonic() + 20
    while worker.tmp.last_update() == before:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("kind", [WaitingThreads, WaitingGreenlets])
def test_worker_whose_model_still_loads_is_seen_alive(kind, board):
    worker = kind(1, os.getppid(), [], None, 30, Config(), logging.getLogger())
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        wait_for_sign_of_life(worker)
        wait_for_sign_of_life(worker)
        assert thread.is_alive()
    finally:
        worker.alive = False
        thread.join(20)
        worker.tmp.close()
    assert not thread.is_alive()
