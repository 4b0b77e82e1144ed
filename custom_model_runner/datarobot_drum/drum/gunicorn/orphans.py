"""Processes that model code has started and that have outlived their worker."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

#: prctl's request that orphaned descendants become children of this process (linux/prctl.h)
PR_SET_CHILD_SUBREAPER = 36

_not_ours: set[int] = set()


def adopt() -> None:
    """From now on this process is the parent of its descendants' orphans; only Linux does so.

    Children that are there already, such as the watchdog, are left alone for ever.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    _not_ours.update(_children())


def end(workers: Container[int]) -> None:
    """Kill the children of this process that are no workers.

    Those in a session of their own were meant to go on, or have a guard of their own.
    """
    for pid in _children():
        if pid in workers or pid in _not_ours:
            continue
        with suppress(ProcessLookupError):
            if os.getsid(pid) == os.getsid(0):
                os.kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    # the arbiter has one thread
    try:
        return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
    except OSError:
        return []
