"""The life of one worker process: ordered steps to stop and to clean up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("drum.lifecycle")


class CleanupOrder:
    """When built-in steps are cleaned up; the greatest number goes first, users' own have 0."""

    MODEL = 30
    PRINTS = 20
    TELEMETRY = 10
    FINISHED = -10


@dataclass(frozen=True)
class Step:
    """One thing to do at the end."""

    run: Callable[[], object]
    order: int
    description: str


class WorkerLifecycle:
    """Collects what must be stopped and cleaned up; both server contexts are thin fronts of it.

    `stop` runs its steps in ascending order, `cleanup` in descending order; equal orders run as
    registered. A step that fails is logged and the next one runs. Both may be called twice.
    """

    def __init__(self) -> None:
        self._running = False
        self._stops: list[Step] = []
        self._cleanups: list[Step] = []

    def start(self) -> None:
        """Mark the worker as running."""
        self._running = True

    def running(self) -> bool:
        """Has the worker started and not been stopped?"""
        return self._running

    def defer_stop(
        self, run: Callable[[], object], *, order: int = 0, desc: str = "on_stop"
    ) -> None:
        """Call `run` when the worker stops."""
        self._stops.append(Step(run, order, desc))

    def defer_cleanup(
        self, run: Callable[[], object], *, order: int = 0, desc: str = "on_cleanup"
    ) -> None:
        """Call `run` after everything has stopped."""
        self._cleanups.append(Step(run, order, desc))

    def add_thread(
        self, thread: threading.Thread, *, join_timeout: float = 2.0, name: str | None = None
    ) -> None:
        """Join `thread` for at most `join_timeout` seconds when the worker stops."""
        if not thread.is_alive():
            thread.daemon = True
        description = name or thread.name
        self.defer_stop(lambda: thread.join(join_timeout), desc=f"join {description}")

    def add_closeable(
        self, owner: object, method: str = "close", *, order: int = 0, desc: str | None = None
    ) -> None:
        """Call `owner.method()` at cleanup, if it has one."""
        close = getattr(owner, method, None)
        if callable(close):
            self.defer_cleanup(close, order=order, desc=desc or f"{type(owner).__name__}.{method}")

    def stop(self) -> None:
        """Run the stop steps, once."""
        self._running = False
        steps, self._stops = sorted(self._stops, key=lambda step: step.order), []
        for step in steps:
            _run(step)

    def cleanup(self) -> None:
        """Run the cleanup steps, once."""
        steps, self._cleanups = sorted(self._cleanups, key=lambda step: -step.order), []
        for step in steps:
            logger.info("cleanup: %s", step.description)
            _run(step)


def _run(step: Step) -> None:
    try:
        step.run()
    except Exception:
        logger.exception("step %r failed; going on with the next", step.description)
