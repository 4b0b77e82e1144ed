"""Notices that a worker's model does not return any more, and has the worker replaced."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure

logger = logging.getLogger("drum.stuck")

#: Seconds between two looks, at most.
LONGEST_INTERVAL = 5.0
LOOKS_IN_A_TIMEOUT = 20

#: Has this worker replaced, for that reason; returns at once.
Replace = Callable[[str], object]


class StuckWatch:
    """Looks now and then whether a slot of `gate` will ever come free again.

    A worker is stuck when all its slots are taken by calls past their deadline and none has come
    free for one further `timeout` (seconds; 0 is never). Then `on_stuck` is called, once, and
    after it `replace`, where there is one.
    """

    def __init__(
        self, gate: ProductionBackpressure, timeout: float, on_stuck: Callable[[], None]
    ) -> None:
        self._gate = gate
        self._timeout = timeout
        self._on_stuck = on_stuck
        self._stopped = threading.Event()
        self._replaced_at: float | None = None

    def start(self, replace: Replace | None = None) -> None:
        """Begin to look, in a thread of its own."""
        if self._timeout:
            thread = threading.Thread(
                target=self._watch, args=(replace,), name="stuck-watch", daemon=True
            )
            thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    @property
    def is_being_replaced(self) -> bool:
        """Was a replacement asked for, not longer ago than one timeout?"""
        since = self._replaced_at
        return since is not None and time.monotonic() - since <= self._timeout

    def _watch(self, replace: Replace | None) -> None:
        interval = min(self._timeout / LOOKS_IN_A_TIMEOUT, LONGEST_INTERVAL)
        while not self._stopped.wait(interval):
            since = self._gate.stuck_since()
            if since is not None and time.monotonic() - since >= self._timeout:
                self._report(replace)
                return

    def _report(self, replace: Replace | None) -> None:
        figures = self._gate.figures()
        reason = (
            f"the model does not return: all {figures['max_running']} slots are taken by requests "
            f"past their deadline, and none came free for {self._timeout:g} s more "
            "(DRUM_CLIENT_REQUEST_TIMEOUT)"
        )
        logger.error("%s", reason)
        if replace is not None:
            self._replaced_at = time.monotonic()
        self._on_stuck()
        if replace is not None:
            replace(reason)
