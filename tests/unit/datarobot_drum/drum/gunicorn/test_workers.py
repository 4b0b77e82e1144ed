"""What is ours in the worker with threads, without an arbiter above it."""

from __future__ import annotations

import logging
import os
import signal
import threading

from gunicorn.config import Config

from datarobot_drum.drum.gunicorn.workers import GuardedThreadWorker


def test_quit_ends_a_worker_that_is_just_handing_a_request_to_its_pool():
    worker = GuardedThreadWorker(1, os.getppid(), [], None, 30, Config(), logging.getLogger())
    worker.tpool = worker.get_thread_pool()
    ended = threading.Event()

    def quit_worker() -> None:
        try:
            worker.handle_quit(signal.SIGQUIT, None)
        except SystemExit:
            ended.set()

    # what `submit` holds
    with worker.tpool._shutdown_lock:
        threading.Thread(target=quit_worker, daemon=True).start()
        assert ended.wait(20)
    worker.tmp.close()
