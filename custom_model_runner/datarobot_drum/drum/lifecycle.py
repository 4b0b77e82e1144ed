"""The life of one worker process: ordered steps to stop and to clean up, each bounded in time."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

logger = logging.getLogger("drum.lifecycle")

#: Seconds that a step may take, unless it says otherwise.
STEP_TIMEOUT = 5.0
#: Seconds for all steps of a stop or a clean-up together, unless the worker has a deadline.
TOTAL_TIMEOUT = 30.0
#: Seconds that a step gets even when the deadline has passed.
LEAST_TIMEOUT = 0.2


class CleanupOrder:
    """When built-in steps are cleaned up; the greatest number goes first, users' own have 0."""

    MODEL = 30
    PRINTS = 20
    TELEMETRY = 10
    FINISHED = -10


@dataclass(frozen=True)
class Step:
    """One thing to do at the end, and how many seconds it may take."""

    run: Callable[[], object]
    order: int
    description: str
    timeout: float = STEP_TIMEOUT


@dataclass(frozen=True)
class Joined:
    """A thread to be joined when the worker stops."""

    thread: threading.Thread
    timeout: float
    name: str


class WorkerLifecycle:
    """Collects what must be stopped and cleaned up; both server contexts are thin fronts of it.

    `stop` runs its steps in ascending order and then joins the threads, `cleanup` runs its steps in
    descending order; equal orders run as registered. A step may be a coroutine function, which runs
    on the worker's event loop if it has one. A step that fails, or takes longer than its time, is
    logged and the next one runs. Both may be called twice.
    """

    def __init__(self) -> None:
        self._running = False
        self._leaving = False
        self._deadline: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stops: list[Step] = []
        self._cleanups: list[Step] = []
        self._threads: list[Joined] = []

    def start(self) -> None:
        """Mark the worker as running; from here on it is the context of this process."""
        self._running = True
        set_worker_ctx(self)

    def running(self) -> bool:
        """Has the worker started and not been stopped?"""
        return self._running

    def defer_stop(
        self,
        run: Callable[[], object],
        *,
        order: int = 0,
        desc: str = "on_stop",
        timeout: float = STEP_TIMEOUT,
    ) -> None:
        """Call `run` when the worker stops, and wait for it for at most `timeout` seconds."""
        self._stops.append(Step(run, order, desc, timeout))

    def defer_cleanup(
        self,
        run: Callable[[], object],
        *,
        order: int = 0,
        desc: str = "on_cleanup",
        timeout: float = STEP_TIMEOUT,
    ) -> None:
        """Call `run` after everything has stopped, with the same limit."""
        self._cleanups.append(Step(run, order, desc, timeout))

    def add_thread(
        self, thread: threading.Thread, *, join_timeout: float = 2.0, name: str | None = None
    ) -> None:
        """Join `thread` for at most `join_timeout` seconds when the stop steps are done.

        All threads are waited for at the same time.
        """
        if not thread.is_alive():
            thread.daemon = True
        self._threads.append(Joined(thread, join_timeout, name or thread.name))

    def add_greenlet(
        self, greenlet: Any, *, kill_timeout: float = 2.0, name: str | None = None
    ) -> None:
        """Kill `greenlet` when the worker stops; it has `kill_timeout` seconds to end."""
        self.defer_stop(
            lambda: greenlet.kill(timeout=kill_timeout),
            desc=f"kill {name or greenlet!r}",
            timeout=kill_timeout + 1,
        )

    def add_closeable(
        self, owner: object, method: str = "close", *, order: int = 0, desc: str | None = None
    ) -> None:
        """Call `owner.method()` at cleanup, if it has one; it may be a coroutine function."""
        close = getattr(owner, method, None)
        if callable(close):
            self.defer_cleanup(close, order=order, desc=desc or f"{type(owner).__name__}.{method}")

    def end_by(self, deadline: float) -> None:
        """Have all steps over at `deadline`, a time of the monotonic clock."""
        self._deadline = deadline

    def time_left(self) -> float:
        """Seconds until the deadline, and never less than a step needs to be tried at all."""
        if self._deadline is None:
            return TOTAL_TIMEOUT
        return max(self._deadline - time.monotonic(), LEAST_TIMEOUT)

    def stop(self) -> None:
        """Run the stop steps, once, and join the threads."""
        self._running = False
        steps, self._stops = sorted(self._stops, key=lambda step: step.order), []
        for step in steps:
            self._run(step)
        threads, self._threads = self._threads, []
        self._join(threads)

    def cleanup(self) -> None:
        """Run the cleanup steps, once."""
        steps, self._cleanups = sorted(self._cleanups, key=lambda step: -step.order), []
        for step in steps:
            logger.info("WorkerCtx cleanup: %s", step.description)
            self._run(step)

    def drain(self) -> None:
        """New requests are no longer wanted; contexts tell their probes."""
        self._leaving = True

    @property
    def leaving(self) -> bool:
        """Is this worker on its way to its end?"""
        return self._leaving

    def replace(self, reason: str) -> None:
        """Drain this worker and have another one take its place, once; from any thread."""
        if self._leaving:
            return
        logger.error("this worker is drained and replaced: %s", reason)
        self.drain()
        self.end_process()

    def end_process(self) -> None:
        """Begin the end of this process; whoever supervises it starts another one."""
        os.kill(os.getpid(), signal.SIGTERM)

    def _run(self, step: Step) -> None:
        failures: list[BaseException] = []

        def run() -> None:
            try:
                result = step.run()
                if isawaitable(result):
                    self._await(result, step.timeout)
            except BaseException as error:
                failures.append(error)

        # a thread, because a step that is stuck must not hold the others up
        thread = threading.Thread(target=run, name=f"step {step.description}", daemon=True)
        limit = min(step.timeout, self.time_left())
        thread.start()
        thread.join(limit)
        if thread.is_alive():
            logger.warning(
                "step %r did not end within %.1f s; going on with the next", step.description, limit
            )
        for error in failures:
            logger.error("step %r failed; going on with the next", step.description, exc_info=error)

    def _await(self, result: Awaitable[object], timeout: float) -> None:
        async def bounded() -> None:
            await asyncio.wait_for(result, timeout)

        loop = self._loop
        if loop is not None and loop.is_running():
            asyncio.run_coroutine_threadsafe(bounded(), loop).result(timeout)
        else:
            asyncio.run(bounded())

    def _join(self, threads: list[Joined]) -> None:
        began, left = time.monotonic(), self.time_left()
        for joined in threads:
            limit = min(joined.timeout, left)
            if joined.thread.ident is not None:
                joined.thread.join(max(began + limit - time.monotonic(), 0))
            if joined.thread.is_alive():
                logger.warning("thread %s has not ended within %.1f s", joined.name, limit)


_current: list[WorkerLifecycle] = []


def set_worker_ctx(ctx: WorkerLifecycle) -> None:
    """Make `ctx` the context of this process."""
    _current[:] = [ctx]


def get_worker_ctx() -> WorkerLifecycle | None:
    """The context of this worker process; None outside a server, and before it was started."""
    return _current[-1] if _current else None


def replace_worker(reason: str) -> None:
    """Drain this worker process and have another one take its place; from any thread.

    Gunicorn's arbiter starts the next one. The development server has none: it ends with exit code
    1, so that whoever supervises it can start it again.
    """
    ctx = get_worker_ctx()
    if ctx is not None:
        ctx.replace(reason)
