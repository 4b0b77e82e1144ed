"""Processes that model code has started and that would outlive this one."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

#: Seconds between SIGTERM and SIGKILL.
PATIENCE = 2.0
#: Ends by itself with those whose memory it keeps track of, and must have the time to do so.
RESOURCE_TRACKER = "multiprocessing.resource_tracker"


def end_children() -> None:
    """End this process's descendants: TERM, wait, KILL.

    Those in a session of their own were meant to go on, or have a guard of their own.
    """
    import psutil

    session = os.getsid(0)
    descendants = psutil.Process().children(recursive=True)
    ours = [child for child in descendants if _is_to_end(child, session)]
    for child in ours:
        with suppress(psutil.NoSuchProcess):
            child.terminate()
    _, alive = psutil.wait_procs(ours, timeout=PATIENCE)
    for child in alive:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def _is_to_end(child: psutil.Process, session: int) -> bool:
    import psutil

    try:
        return os.getsid(child.pid) == session and RESOURCE_TRACKER not in " ".join(child.cmdline())
    except (ProcessLookupError, psutil.Error):
        return False
