"""How a process ends when the one that started it is gone, even by SIGKILL.

Only the standard library is imported: guards are meant to be small.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from typing import NoReturn

#: prctl's request for a signal when the parent dies (linux/prctl.h)
PR_SET_PDEATHSIG = 1


def signalled_at_death_of(parent: int, number: int) -> Callable[[], None]:
    """What a child runs first, to get a signal when its parent dies; only Linux keeps watch.

    Made before the fork, after which libraries must not be loaded.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)

    def ask() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, number)
        # it may have died before the request
        if os.getppid() != parent:
            os.kill(os.getpid(), number)

    return ask


def end_with_group() -> NoReturn:
    """Kill this process and all that it has started, if a group was made for them."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
