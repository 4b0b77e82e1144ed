"""The prediction threads of a worker: one line, first in, first out."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from enum import Enum

from datarobot_drum.drum.errors import NotReady, Overloaded
from datarobot_drum.drum.hooks.loops import (
    adopt_thread_loop,
    close_thread_loop,
    share_thread_loop,
    thread_loop,
    use_awaiter,
)
from datarobot_drum.drum.hooks.model_loop import ModelLoop
from datarobot_drum.drum.observability.context import is_abandoned
from datarobot_drum.drum.root_predictors.admission import (
    RETRY_AFTER_WAITING,
    ProductionBackpressure,
)
from datarobot_drum.drum.root_predictors.deadlines import FOREVER, Deadline, current_deadline
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.streams import StreamBuffer
from datarobot_drum.drum.root_predictors.turns import Turn, Turns

logger = logging.getLogger("drum.execution")

#: Seconds that async hooks have to end once the worker has given up waiting for them.
CANCELLING_SECONDS = 5.0


class Stage(Enum):
    """How far a job has come."""

    WAITING = "waiting"
    RUNNING = "running"
    ABANDONED = "abandoned"
    DONE = "done"


class Job:
    """One call of the core that waits for, or runs on, a prediction thread.

    The front waits for `reply`, woken by `on_done`, and asks `overdue` when its timer rings.
    `discard` is called instead of `call` when the job leaves the line without having run.
    Its deadline is that of the request which the making context serves, else one of its own.
    """

    def __init__(
        self,
        call: Callable[[], Reply],
        on_done: Callable[[], None],
        gate: ProductionBackpressure,
        limits: Limits,
        discard: Callable[[], None] = lambda: None,
    ) -> None:
        self._call = call
        self._discard = discard
        self._on_done = on_done
        self._gate = gate
        self._limits = limits
        self._lock = threading.Lock()
        self._context: Context = copy_context()
        self._submitted = time.monotonic()
        self._deadline = current_deadline.get() or Deadline(limits.deadline)
        self._stage = Stage.WAITING
        self._buffer: StreamBuffer | None = None
        self._expired: str | None = None
        self.reply: Reply | None = None
        #: set before `run` where hooks are awaited, so that they can be cancelled
        self.turn: Turn | None = None

    def patience(self) -> float:
        """Seconds until `overdue` is worth asking for the first time."""
        left = self._deadline.end - time.monotonic()
        return max(min(self._limits.queue_timeout, left), 0)

    def overdue(self) -> float:
        """Seconds that the front may still wait, now that its timer rang.

        Raises Overloaded when the job has waited too long in line, and DeadlineExceeded when it
        runs too long. It never starts after the first; after the second its thread, and so its
        slot, stays taken until the model returns, which an async hook does at once.
        """
        if self._expired is not None:
            raise NotReady(self._expired)
        now = time.monotonic()
        waited = now - self._submitted
        with self._lock:
            if self._stage is Stage.DONE:
                return 0.0
            left = self._deadline.end - now
            if self._stage is Stage.WAITING:
                left = min(left, self._limits.queue_timeout - waited)
            if left > 0:
                return left
            was_waiting = self._stage is Stage.WAITING
            self._stage = Stage.ABANDONED
        if was_waiting:
            self._leave(timed_out=True)
            raise Overloaded(
                f"the request waited {waited:.0f} s for its turn; try again later",
                RETRY_AFTER_WAITING,
            )
        self._cancel()
        self._gate.exceed()
        raise self._deadline.error("the model did not answer")

    def abandon(self) -> None:
        """Nobody waits any more: a job in line never starts, a running one is ignored."""
        with self._lock:
            stage = self._stage
            if stage is not Stage.DONE:
                self._stage = Stage.ABANDONED
        if stage in (Stage.WAITING, Stage.RUNNING):
            self._gate.abandon()
        if stage is Stage.WAITING:
            self._leave(timed_out=False)
        elif stage is Stage.RUNNING:
            self._cancel()

    def _cancel(self) -> None:
        if self.turn is not None:
            self.turn.cancel()

    def due(self) -> float:
        """When it should have ended: at its deadline, or when its stream's next piece was due."""
        return self._deadline.end if self._buffer is None else self._buffer.due

    def is_blocking(self) -> bool:
        """Does it keep others from running, rather than wait for a coroutine that would end?"""
        return self.turn is None or self.turn.is_blocking

    def expire(self, message: str) -> None:
        """End it now: the front answers 503 with `message`, a stream ends with an error event."""
        with self._lock:
            buffer, is_over = self._buffer, self._stage in (Stage.DONE, Stage.ABANDONED)
            was_waiting = self._stage is Stage.WAITING
            if not is_over:
                self._stage, self._expired = Stage.ABANDONED, message
                wake = self._on_done
        if buffer is not None:
            buffer.cut(message)
        elif not is_over:
            wake()
            self._cancel()
        if was_waiting:
            self._leave(timed_out=True)

    @property
    def is_waiting(self) -> bool:
        """Is it still in line for a thread?"""
        return self._stage is Stage.WAITING

    def _leave(self, *, timed_out: bool) -> None:
        self._gate.leave(self, timed_out=timed_out)
        self._discard()
        # the line may hold this job for long, but must not hold its request
        del self._call, self._discard, self._on_done

    def run(self) -> None:
        """Run in the calling thread, a streamed body to its end included."""
        with self._lock:
            if self._stage is not Stage.WAITING:
                return
            self._stage = Stage.RUNNING
        self._gate.start(self)
        try:
            self._context.run(self._run)
        finally:
            self._gate.finish(self)

    def _run(self) -> None:
        reply = self._call_in_context()
        buffer: StreamBuffer | None = None
        if reply.stream is not None:
            source = reply.stream
            buffer = self._new_buffer(reply.interrupt)
            reply = reply.streaming(buffer)
        with self._lock:
            abandoned = self._stage is Stage.ABANDONED
            self._stage = Stage.DONE
            self._buffer = buffer
        if abandoned:
            if buffer is not None:
                buffer.close()
                buffer.pump(source)
            return
        self.reply = reply
        self._on_done()
        if buffer is not None:
            buffer.pump(source)

    def _new_buffer(self, interrupt: Callable[[], None] | None) -> StreamBuffer:
        turn = self.turn
        if turn is None:
            return StreamBuffer(self._limits.deadline, interrupt)
        return StreamBuffer(self._limits.deadline, interrupt or turn.cancel, turn.reading)

    def _call_in_context(self) -> Reply:
        token = is_abandoned.set(lambda: self._stage is Stage.ABANDONED)
        try:
            return self._call()
        finally:
            # the context would hold this job, which holds the context
            is_abandoned.reset(token)


class Limits:
    """How long a job may wait and run, in seconds; 0 means no limit."""

    def __init__(self, queue_timeout: float, deadline: float) -> None:
        self.queue_timeout = queue_timeout or FOREVER
        self.deadline = deadline or FOREVER


class PredictionThreads:
    """At most `count` threads, made when they are needed, take jobs in the order they came in.

    The first thread runs `prepare` (loading the model) before anything else, so that frameworks
    bound to one thread are loaded and used by the same one; jobs wait until that is done.

    With `async_count`, `prepare` may call `await_hooks`: then so many threads take jobs, and
    all but `count` of them wait for a coroutine on the model loop, or for their turn.
    """

    def __init__(self, count: int, gate: ProductionBackpressure, async_count: int = 0) -> None:
        self._gate = gate
        # the queue of C code: a condition variable costs a third of a small prediction
        # (looked up here, so that gevent's replacement is found where that has patched it)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        #: every job from its submission to its end; each change is one step of the interpreter
        self._open: set[Job] = set()
        self._tidying = threading.Lock()
        self._loaded = threading.Event()
        self._stopping = False
        self._count = count
        self._async_count = async_count
        self._model_loop = ModelLoop() if async_count else None
        self._sync_loop: asyncio.AbstractEventLoop | None = None
        self._run: Callable[[Job], None] = Job.run
        self._threads: list[threading.Thread] = []

    def start(self, prepare: Callable[[], None]) -> None:
        """Start the first thread with `prepare`, and as many more as jobs wait for already."""
        with self._tidying:
            self._add(lambda: self._prepare_and_work(prepare))
            self._grow()

    def _add(self, work: Callable[[], None]) -> None:
        name = f"prediction-{len(self._threads)}"
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _grow(self) -> None:
        wanted = min(self._count, self._gate.busy) if self._threads else 0
        while len(self._threads) < wanted:
            self._add(self._work)

    def await_hooks(self) -> None:
        """Called by `prepare`: let as many jobs run as hooks may be awaited at once, if any."""
        if self._model_loop is None:
            return
        turns, loop = Turns(self._count), self._model_loop
        self._run = lambda job: _run_in_turn(job, Turn(turns, loop))
        if turns.count == 1:
            # what sync hooks make on `asyncio.get_event_loop()` is theirs on every thread
            self._sync_loop = share_thread_loop()
        self._gate.allow(self._async_count)
        with self._tidying:
            self._count = self._async_count
            self._grow()

    def silent_since(self) -> float | None:
        """Since when some async hook has kept all others from running; None if none does."""
        return None if self._model_loop is None else self._model_loop.silent_since()

    def submit(self, job: Job) -> None:
        """Put `job` in line; Overloaded when the line is full."""
        self._gate.admit(job)
        # a job that came while the line is tidied would pass those that were there before it
        with self._tidying:
            if self._jobs.qsize() > self._gate.max_running + self._gate.max_waiting:
                self._forget_abandoned()
            self._open.add(job)
            self._jobs.put(job)
            self._grow()

    def _forget_abandoned(self) -> None:
        # while the model is stuck no thread takes them out of the line
        jobs: list[Job | None] = []
        with suppress(queue.Empty):
            for _ in range(self._jobs.qsize()):
                jobs.append(self._jobs.get_nowait())
        for job in jobs:
            if job is None or job.is_waiting:
                self._jobs.put(job)
            else:
                self._open.discard(job)

    @property
    def is_busy(self) -> bool:
        """Does any job wait or run, be it one that nobody waits for?"""
        return bool(self._open)

    def expire(self, message: str) -> None:
        """End every job now; see `Job.expire`. The threads end when the model returns."""
        for job in list(self._open):
            job.expire(message)

    def stop(self, timeout: float) -> None:
        """Take no further job and wait for the running ones, not for a load that goes on."""
        self._stopping = True
        for _ in self._threads:
            self._jobs.put(None)
        if not self._loaded.is_set():
            return
        end = time.monotonic() + timeout
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(end - time.monotonic(), 0))
        if self._model_loop is not None:
            self._model_loop.close(CANCELLING_SECONDS)
        if self._sync_loop is not None and not self._sync_loop.is_running():
            self._sync_loop.close()

    def _prepare_and_work(self, prepare: Callable[[], None]) -> None:
        thread_loop()
        use_awaiter(self._model_loop)
        prepare()
        self._loaded.set()
        self._take_jobs()

    def _work(self) -> None:
        self._loaded.wait()
        use_awaiter(self._model_loop)
        thread_loop() if self._sync_loop is None else adopt_thread_loop(self._sync_loop)
        self._take_jobs()

    def _take_jobs(self) -> None:
        run = self._run
        while (job := self._jobs.get()) is not None and not self._stopping:
            try:
                run(job)
            except Exception:
                # a bug of this program; the thread must live on for the next request
                logger.exception("a prediction job failed outside the model")
            finally:
                self._open.discard(job)
        close_thread_loop()


def _run_in_turn(job: Job, turn: Turn) -> None:
    job.turn = turn
    use_awaiter(turn)
    # until then the job is in line: it may time out, or be abandoned
    turn.take()
    try:
        job.run()
    finally:
        turn.give()
        use_awaiter(None)
