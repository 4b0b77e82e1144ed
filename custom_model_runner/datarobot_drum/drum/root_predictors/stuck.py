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
    free for one further `timeout` (seconds; 0 is never). With async hooks the slots that count are
    the turns of sync code, and it is stuck as well when the loop is `silent_since` one timeout ago.
    Then `on_stuck` is called, once, and after it `replace`, where there is one.
    """

    def __init__(
        self,
        gate: ProductionBackpressure,
        timeout: float,
        on_stuck: Callable[[], None],
        silent_since: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._silent_since = silent_since
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
            if self._is_long_ago(self._gate.stuck_since()):
                self._report(self._slots_reason(), replace)
                return
            if self._is_long_ago(self._silent_since()):
                self._report(self._loop_reason(), replace)
                return

    def _is_long_ago(self, since: float | None) -> bool:
        return since is not None and time.monotonic() - since >= self._timeout

    def _slots_reason(self) -> str:
        return (
            f"the model does not return: all {self._gate.max_blocking} slots are taken by requests "
            f"past their deadline, and none came free for {self._timeout:g} s more "
            "(DRUM_CLIENT_REQUEST_TIMEOUT)"
        )

    def _loop_reason(self) -> str:
        return (
            f"an async hook has blocked the event loop of all for {self._timeout:g} s "
            "(DRUM_CLIENT_REQUEST_TIMEOUT); await what takes long, or use asyncio.to_thread"
        )

    def _report(self, reason: str, replace: Replace | None) -> None:
        logger.error("%s", reason)
        if replace is not None:
            self._replaced_at = time.monotonic()
        self._on_stuck()
        if replace is not None:
            replace(reason)
