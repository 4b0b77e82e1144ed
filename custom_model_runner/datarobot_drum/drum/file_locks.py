"""Locks between processes: files that one of them holds, and waiting for that one."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable

logger = logging.getLogger("drum.locks")

#: Seconds between two tries: a call that blocks would stop all greenlets of a gevent worker.
PERIOD = 0.5


def take_lock(descriptor: int, path: str, wait: Callable[[float], object] | None = None) -> bool:
    """Hold the lock of an open file, once nobody else does.

    `wait` waits for some seconds; False when it returned something true: there is no more need.
    OSError where the file system has no locks.
    """
    pause = wait or time.sleep
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if not told:
                logger.info("waiting for another process to release %s", path)
            told = True
        if pause(PERIOD):
            return False
