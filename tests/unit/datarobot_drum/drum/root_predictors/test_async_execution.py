"""Prediction threads of a model with async hooks: they wait together and run in turns."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from datarobot_drum.drum.errors import DeadlineExceeded, Overloaded
from datarobot_drum.drum.hooks.loops import shared_awaiter
from datarobot_drum.drum.observability.context import is_abandoned
from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure
from datarobot_drum.drum.root_predictors.execution import Job, Limits, PredictionThreads
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.streams import BUFFERED_PIECES

PATIENCE = 20
UNLIMITED = Limits(0, 0)
OVER = -1.0


class Line:
    """Threads whose jobs may await `hook`, which waits until `go_on`."""

    def __init__(self, count: int = 1, async_count: int = 4) -> None:
        self.gate = ProductionBackpressure(count, 20)
        self.threads = PredictionThreads(count, self.gate, async_count)
        self.threads.start(self.threads.await_hooks)
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.cancelled = threading.Semaphore(0)

    async def hook(self) -> None:
        self.entered.release()
        try:
            while not self.go_on.is_set():  # noqa: ASYNC110  # set by another thread
                await asyncio.sleep(0.002)
        except asyncio.CancelledError:
            self.cancelled.release()
            raise

    def awaiting(self) -> Reply:
        try:
            shared_awaiter().wait(self.hook())
        except asyncio.CancelledError:
            return Reply(499)
        return Reply()

    def submit(self, call: Callable[[], Reply], limits: Limits = UNLIMITED) -> Job:
        job = Job(call, lambda: None, self.gate, limits)
        self.threads.submit(job)
        return job

    def held(self, limits: Limits = UNLIMITED) -> Job:
        """A job that awaits its hook when this returns."""
        job = self.submit(self.awaiting, limits)
        assert self.entered.acquire(timeout=PATIENCE)
        return job

    def run(self, call: Callable[[], Reply]) -> Job:
        """A job that has ended."""
        done = threading.Event()
        job = Job(call, done.set, self.gate, UNLIMITED)
        self.threads.submit(job)
        assert done.wait(PATIENCE)
        return job

    def end(self) -> None:
        self.go_on.set()
        self.threads.stop(PATIENCE)
        assert not any(thread.is_alive() for thread in self.threads._threads)


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.end()


def test_jobs_wait_for_their_hooks_together(line: Line) -> None:
    for _ in range(4):
        line.held()
    assert (line.gate.figures()["running"], line.gate.max_running) == (4, 4)
    line.submit(line.awaiting)
    assert not line.entered.acquire(timeout=0.05)


def test_jobs_of_sync_models_have_no_turns() -> None:
    line = Line(async_count=0)
    job = line.run(lambda: Reply(shared_awaiter().wait(asyncio.sleep(0, 201))))
    assert (job.reply, job.turn, line.gate.max_running) == (Reply(201), None, 1)
    line.end()


def test_job_runs_while_others_wait_for_their_hooks(line: Line) -> None:
    line.held()
    assert line.run(Reply).reply == Reply()


def test_job_in_its_turn_keeps_others_in_line(line: Line) -> None:
    begun, go_on, ran = threading.Event(), threading.Event(), list[bool]()

    def compute() -> Reply:
        begun.set()
        assert go_on.wait(PATIENCE)
        return Reply()

    def note() -> Reply:
        ran.append(True)
        return Reply()

    line.submit(compute)
    assert begun.wait(PATIENCE)
    late, left = line.submit(note, Limits(OVER, 0)), line.submit(note)
    left.abandon()
    with pytest.raises(Overloaded, match="for its turn"):
        late.overdue()
    assert (line.gate.figures()["running"], late.is_waiting) == (1, False)
    go_on.set()
    line.run(Reply)
    assert ran == []


def test_job_over_its_deadline_is_cancelled(line: Line) -> None:
    job = line.held(Limits(0, OVER))
    with pytest.raises(DeadlineExceeded):
        job.overdue()
    assert line.cancelled.acquire(timeout=PATIENCE)
    assert job.reply is None


def test_job_that_nobody_waits_for_is_cancelled(line: Line) -> None:
    line.held().abandon()
    assert line.cancelled.acquire(timeout=PATIENCE)
    assert line.run(Reply).reply == Reply()


def test_stream_is_cancelled_when_its_reader_leaves(line: Line) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"a"
        await line.hook()

    job = line.run(lambda: Reply(stream=shared_awaiter().iterate(stream())))
    assert job.reply is not None
    assert job.reply.buffer is not None
    assert line.entered.acquire(timeout=PATIENCE)
    job.reply.buffer.close()
    assert line.cancelled.acquire(timeout=PATIENCE)


def test_stream_of_an_inference_server_keeps_its_own_interrupt(line: Line) -> None:
    told: list[str] = []
    reply = Reply(stream=iter([b"a"] * 100), interrupt=lambda: told.append("interrupt"))
    job = line.run(lambda: reply)
    assert job.reply is not None
    assert job.reply.buffer is not None
    job.reply.buffer.close()
    assert told == ["interrupt"]


def test_stream_that_nobody_reads_lets_others_run(line: Line) -> None:
    made, is_full = list[int](), threading.Event()

    async def stream() -> AsyncIterator[bytes]:
        for number in range(1000):
            made.append(number)
            if len(made) == BUFFERED_PIECES:
                is_full.set()
            yield b"x"

    job = line.run(lambda: Reply(stream=shared_awaiter().iterate(stream())))
    assert is_full.wait(PATIENCE)
    assert line.run(Reply).reply == Reply()
    assert job.reply is not None
    assert job.reply.buffer is not None
    assert len(made) == BUFFERED_PIECES
    job.reply.buffer.close()


def get_loop(found: list[object]) -> Reply:
    found.append(asyncio.get_event_loop())
    return Reply()


@pytest.mark.parametrize(("count", "loops"), [(1, 1), (2, 3)])
def test_sync_code_has_one_loop_where_it_takes_turns(count: int, loops: int) -> None:
    line, found = Line(count, 3), list[object]()
    # each of three threads in turn: the others wait in a hook
    for _ in range(3):
        line.run(lambda: get_loop(found))
        line.submit(lambda: (get_loop(found), line.awaiting())[1])
        assert line.entered.acquire(timeout=PATIENCE)
    line.end()
    assert len({id(loop) for loop in found}) == loops
    assert all(loop.is_closed() for loop in found)  # type: ignore[attr-defined]


def test_end_cancels_hooks_that_do_not_end() -> None:
    line = Line()
    job = line.held()
    line.threads.stop(0)
    assert line.cancelled.acquire(timeout=PATIENCE)
    line.end()
    assert job.reply == Reply(499)


def test_end_leaves_a_loop_alone_that_still_runs() -> None:
    line, begun, go_on = Line(), threading.Event(), threading.Event()

    async def stick() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    def call() -> Reply:
        asyncio.get_event_loop().run_until_complete(stick())
        return Reply()

    line.submit(call)
    assert begun.wait(PATIENCE)
    line.threads.stop(0)
    go_on.set()
    line.end()


def test_job_blocks_others_while_it_has_its_turn(line: Line) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def compute() -> Reply:
        begun.set()
        assert go_on.wait(PATIENCE)
        return Reply()

    waiting = line.held()
    computing = line.submit(compute)
    assert begun.wait(PATIENCE)
    assert (waiting.is_blocking(), computing.is_blocking()) == (False, True)
    assert line.threads.silent_since() is None
    go_on.set()


def test_hook_is_cancelled_when_its_job_expires(line: Line) -> None:
    line.held().expire("the server is shutting down")
    assert line.cancelled.acquire(timeout=PATIENCE)


class Request:
    """Something that a job holds."""


async def succeed(request: Request) -> None:
    await asyncio.sleep(0)


async def fail(request: Request) -> None:
    raise KeyError("no")


async def stream_and_fail(request: Request) -> AsyncIterator[bytes]:
    yield b"a"
    raise KeyError("no")


@pytest.mark.parametrize("hook", [succeed, fail, stream_and_fail])
def test_nothing_of_a_request_is_left_when_it_has_ended(
    line: Line, hook: Callable[..., Any]
) -> None:
    requests: list[weakref.ref[Any]] = []

    def ask() -> None:
        request = Request()
        requests.append(weakref.ref(request))

        def call() -> Reply:
            assert not is_abandoned.get()()
            with suppress(KeyError):
                if hook is stream_and_fail:
                    list(shared_awaiter().iterate(hook(request)))
                else:
                    shared_awaiter().wait(hook(request))
            return Reply(200, repr(request).encode())

        line.run(call)

    gc.disable()
    try:
        for _ in range(20):
            ask()
        left = sum(reference() is not None for reference in requests)
    finally:
        gc.enable()
    # the last ones may still be on their way out of their threads
    assert left <= 4
