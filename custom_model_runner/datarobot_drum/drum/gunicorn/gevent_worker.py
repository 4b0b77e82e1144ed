"""Gunicorn's `gevent` worker behind our guard."""

from __future__ import annotations

from typing import Any

from gunicorn.workers.ggevent import GeventWorker

from datarobot_drum.drum.gunicorn.guard import Guard


class DrumGeventWorker(Guard, GeventWorker):  # type: ignore[misc]  # the package has no types
    """A greenlet for each connection."""

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection."""
        self.serve(listener.getsockname(), client, addr)
