"""The worker classes of the `gunicorn` server type: guarded at their edge, drained at their end."""

from __future__ import annotations

from typing import Any

from datarobot_drum.drum.gunicorn.draining import DrainingGevent, DrainingSync, DrainingThreads
from datarobot_drum.drum.gunicorn.workers import GuardedSyncWorker, GuardedThreadWorker


class DrumThreadWorker(DrainingThreads, GuardedThreadWorker):
    """Threads for connections; the default."""


class DrumSyncWorker(DrainingSync, GuardedSyncWorker):
    """One connection at a time."""


def __getattr__(name: str) -> Any:
    """The worker with greenlets, made when it is asked for: gevent is imported only then."""
    if name != "DrumGeventWorker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from datarobot_drum.drum.gunicorn.gevent_worker import GuardedGeventWorker

    class DrumGeventWorker(DrainingGevent, GuardedGeventWorker):
        """Greenlets for connections."""

    globals()[name] = DrumGeventWorker
    return DrumGeventWorker
