"""The worker classes of the `gunicorn` server type: Gunicorn's own with our mixins."""

from __future__ import annotations

from typing import Any

from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

from datarobot_drum.drum.gunicorn.draining import DrainingGevent, DrainingSync, DrainingThreads


class DrumThreadWorker(DrainingThreads, ThreadWorker):  # type: ignore[misc]  # no types
    """Threads for connections; the default."""


class DrumSyncWorker(DrainingSync, SyncWorker):  # type: ignore[misc]  # no types
    """One connection at a time."""


def __getattr__(name: str) -> Any:
    """The worker with greenlets, made when it is asked for: gevent is imported only then."""
    if name != "DrumGeventWorker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gunicorn.workers.ggevent import GeventWorker

    class DrumGeventWorker(DrainingGevent, GeventWorker):  # type: ignore[misc]  # no types
        """Greenlets for connections."""

    globals()[name] = DrumGeventWorker
    return DrumGeventWorker
