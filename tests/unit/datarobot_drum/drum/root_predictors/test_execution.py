"""Prediction threads: the order of jobs, deadlines, and what an abandoned job leaves behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context

import pytest

from datarobot_drum.drum.errors import DeadlineExceeded, NotReady, Overloaded
from datarobot_drum.drum.observability.context import is_abandoned
from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure
from datarobot_drum.drum.root_predictors.deadlines import FOREVER, Deadline, current_deadline
from datarobot_drum.drum.root_predictors.execution import (
    Job,
    Limits,
    PredictionThreads,
)
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.streams import BUFFERED_PIECES

UNLIMITED = Limits(0, 0)
#: limits that were passed before anything began
OVER = -1.0
colour: ContextVar[str] = ContextVar("colour", default="")


class Line:
    """A gate, its threads, and a model that can be held inside a job."""

    def __init__(self, count: int = 1, depth: int = 10) -> None:
        self.gate = ProductionBackpressure(count, depth)
        self.threads = PredictionThreads(count, self.gate)
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()

    def job(self, call: Callable[[], Reply] = Reply, limits: Limits = UNLIMITED) -> Job:
        job = Job(call, lambda: None, self.gate, limits)
        self.threads.submit(job)
        return job

    def held(self, reply: Reply | None = None, limits: Limits = UNLIMITED) -> Job:
        """A job that is running when this returns, and goes on after `release`."""

        def call() -> Reply:
            self.entered.release()
            assert self.release.wait(30)
            return reply or Reply()

        job = self.job(call, limits)
        assert self.entered.acquire(timeout=30)
        return job

    def finish(self) -> dict[str, float]:
        """Let everything run to its end; the figures then."""
        self.release.set()
        done = threading.Event()
        last = Job(Reply, done.set, self.gate, UNLIMITED)
        self.threads.submit(last)
        assert done.wait(30)
        self.threads.stop(30)
        return self.gate.figures()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    line.threads.start(lambda: None)
    yield line
    line.release.set()
    line.threads.stop(30)


def test_threads_take_jobs_in_the_order_in_which_they_came() -> None:
    line, order = Line(depth=50), list[int]()
    for number in range(50):

        def call(number: int = number) -> Reply:
            order.append(number)
            return Reply()

        line.job(call)
    line.threads.start(lambda: None)
    line.finish()
    assert order == list(range(50))


def test_first_thread_prepares_and_then_runs_the_jobs() -> None:
    line, names = Line(), list[str]()

    def note() -> Reply:
        names.append(threading.current_thread().name)
        return Reply()

    line.job(note)
    line.threads.start(lambda: names.append(threading.current_thread().name))
    line.finish()
    assert names == ["prediction-0", "prediction-0"]


def test_no_thread_starts_a_job_before_all_is_prepared() -> None:
    line, order, prepare = Line(3), list[str](), threading.Event()

    def note() -> Reply:
        order.append("job")
        return Reply()

    def slow() -> None:
        assert prepare.wait(30)
        order.append("prepared")

    line.threads.start(slow)
    for _ in range(3):
        line.job(note)
    prepare.set()
    line.finish()
    assert order[0] == "prepared"


def test_threads_run_as_many_jobs_at_once_as_there_are() -> None:
    line = Line(3)
    line.threads.start(lambda: None)
    for _ in range(3):
        line.held()
    assert line.gate.figures()["running"] == 3
    assert line.finish()["running"] == 0


def test_job_hands_its_reply_over_and_gives_the_slot_back(line: Line) -> None:
    done = threading.Event()
    job = Job(lambda: Reply(201), done.set, line.gate, UNLIMITED)
    line.threads.submit(job)
    assert done.wait(30)
    assert job.reply == Reply(201)
    assert job.overdue() == 0.0
    assert line.finish()["running"] == 0


def test_job_sees_the_context_of_who_made_it(line: Line) -> None:
    colour.set("red")
    seen: list[str] = []

    def call() -> Reply:
        seen.append(colour.get())
        return Reply()

    line.job(call)
    line.finish()
    assert seen == ["red"]


def test_job_is_refused_when_the_line_is_full(line: Line) -> None:
    line.held()
    waiting = [line.job() for _ in range(10)]
    with pytest.raises(Overloaded):
        line.job()
    waiting[3].abandon()
    figures = line.finish()
    assert (figures["rejected"], figures["accepted"]) == (1, 12)


@pytest.mark.parametrize(
    ("queue_timeout", "deadline", "patience"),
    [(30, 600, 30), (30, 5, 5), (0, 600, 600), (30, 0, 30), (0, 0, FOREVER), (9, -1, 0)],
)
def test_job_s_front_first_asks_at_the_nearer_limit(
    queue_timeout: float, deadline: float, patience: float
) -> None:
    job = Job(Reply, lambda: None, Line().gate, Limits(queue_timeout, deadline))
    assert job.patience() == pytest.approx(patience, abs=1)


def test_job_in_time_tells_how_long_it_may_take(line: Line) -> None:
    running = line.held(limits=Limits(5, 1000))
    waiting = line.job(limits=Limits(50, 1000))
    assert 900 < running.overdue() <= 1000
    assert 40 < waiting.overdue() <= 50


def test_job_that_waited_too_long_never_starts(line: Line) -> None:
    line.held()
    ran: list[bool] = []

    def call() -> Reply:
        ran.append(True)
        return Reply()

    job = line.job(call, Limits(OVER, 0))
    with pytest.raises(Overloaded, match="waited 0 s for its turn") as raised:
        job.overdue()
    assert raised.value.retry_after == 10
    figures = line.finish()
    assert (ran, figures["timed_out"], figures["waiting"]) == ([], 1, 0)


def test_job_over_its_deadline_keeps_the_slot_until_the_model_returns(line: Line) -> None:
    job = line.held(limits=Limits(0, OVER))
    with pytest.raises(DeadlineExceeded, match="DRUM_CLIENT_REQUEST_TIMEOUT"):
        job.overdue()
    assert line.gate.figures()["running"] == 1
    assert line.finish()["running"] == 0
    assert job.reply is None


def test_job_has_the_deadline_of_its_request(line: Line) -> None:
    def held_and_late() -> None:
        current_deadline.set(Deadline(OVER))
        job = line.held(limits=Limits(0, 1000))
        with pytest.raises(DeadlineExceeded, match="within -1 s"):
            job.overdue()
        job.abandon()

    copy_context().run(held_and_late)
    figures = line.finish()
    assert (figures["deadline_exceeded"], figures["abandoned"]) == (1, 0)


def test_line_is_stuck_when_its_slot_is_past_its_deadline(line: Line) -> None:
    line.held(limits=Limits(0, OVER))
    since = line.gate.stuck_since()
    assert since is not None
    assert since < time.monotonic()
    line.finish()
    assert line.gate.stuck_since() is None


def test_stream_that_flows_is_never_stuck(line: Line) -> None:
    def stream() -> Iterator[bytes]:
        time.sleep(0.3)
        yield b"a"
        line.entered.release()
        assert line.release.wait(30)

    line.job(lambda: Reply(stream=stream()), Limits(0, 0.2))
    assert line.entered.acquire(timeout=30)
    assert line.gate.stuck_since() is None
    eventually_stuck = time.monotonic() + 20
    while line.gate.stuck_since() is None:
        assert time.monotonic() < eventually_stuck
        time.sleep(0.01)
    line.finish()


def test_job_that_nobody_waits_for_leaves_the_line(line: Line) -> None:
    line.held()
    job = line.job()
    job.abandon()
    job.abandon()
    assert not job.is_waiting
    figures = line.finish()
    assert (figures["waiting"], figures["timed_out"], figures["running"]) == (0, 0, 0)
    assert figures["abandoned"] == 1


def test_job_that_runs_is_ignored_when_abandoned_and_may_be_done(line: Line) -> None:
    running = line.held()
    running.abandon()
    done = Job(Reply, lambda: None, line.gate, UNLIMITED)
    line.threads.submit(done)
    line.finish()
    done.abandon()
    assert running.reply is None
    assert done.reply == Reply()


def test_running_code_can_ask_whether_anybody_waits(line: Line) -> None:
    begun, go_on, told = threading.Event(), threading.Event(), list[bool]()

    def call() -> Reply:
        told.append(is_abandoned.get()())
        begun.set()
        assert go_on.wait(30)
        told.append(is_abandoned.get()())
        return Reply()

    job = line.job(call)
    assert begun.wait(30)
    job.abandon()
    go_on.set()
    line.finish()
    assert told == [False, True]


def test_job_discards_its_request_when_it_leaves_the_line(line: Line) -> None:
    line.held()
    discarded: list[str] = []
    for name, limits in (("late", Limits(OVER, 0)), ("left", UNLIMITED)):
        job = Job(Reply, lambda: None, line.gate, limits, lambda name=name: discarded.append(name))  # type: ignore[misc]
        line.threads.submit(job)
        if name == "late":
            with pytest.raises(Overloaded):
                job.overdue()
        else:
            job.abandon()
    assert discarded == ["late", "left"]


class Request:
    """Something that a waiting job holds."""


def test_nothing_leaks_when_a_thousand_waiters_are_abandoned(line: Line) -> None:
    line.held()
    held: list[weakref.ref[Request]] = []
    for _ in range(1000):
        request = Request()
        held.append(weakref.ref(request))
        line.job(lambda request=request: Reply(200, repr(request).encode())).abandon()  # type: ignore[misc]
    del request
    gc.collect()
    assert not any(reference() for reference in held)
    assert line.threads._jobs.qsize() <= 12
    figures = line.finish()
    assert (figures["waiting"], figures["running"], figures["accepted"]) == (0, 0, 1002)


def test_waiters_behind_a_thousand_abandoned_ones_keep_their_place() -> None:
    line, order = Line(depth=20), list[int]()
    line.threads.start(lambda: None)
    line.held()
    for number in range(1000):

        def call(number: int = number) -> Reply:
            order.append(number)
            return Reply()

        job = line.job(call)
        if number % 100:
            job.abandon()
    line.finish()
    assert order == [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]


def test_many_jobs_from_many_threads_all_run_or_leave() -> None:
    line, ran = Line(3, depth=500), list[int]()
    line.threads.start(lambda: None)

    def call() -> Reply:
        ran.append(1)
        return Reply()

    def crowd(number: int) -> None:
        for turn in range(49):
            job = line.job(call)
            if (number + turn) % 3 == 0:
                job.abandon()

    threads = [threading.Thread(target=crowd, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    figures = line.finish()
    assert (figures["waiting"], figures["running"], figures["accepted"]) == (0, 0, 491)
    assert 300 < len(ran) <= 490


def test_thread_lives_on_after_a_fault_of_this_program(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    def call() -> Reply:
        raise RuntimeError("a bug")

    line.job(call)
    assert line.finish()["running"] == 0
    assert "a prediction job failed outside the model" in caplog.text


def test_stream_keeps_the_slot_to_its_end(line: Line) -> None:
    def stream() -> Iterator[bytes]:
        yield b"a"
        line.entered.release()
        assert line.release.wait(30)
        yield b"b"

    done = threading.Event()
    job = Job(lambda: Reply(stream=stream()), done.set, line.gate, UNLIMITED)
    line.threads.submit(job)
    assert done.wait(30)
    assert line.entered.acquire(timeout=30)
    assert line.gate.figures()["running"] == 1
    assert job.reply is not None
    assert job.reply.buffer is not None
    line.release.set()
    assert b"".join(job.reply.buffer) == b"ab"
    assert line.finish()["running"] == 0


def test_stream_of_a_job_that_nobody_waits_for_is_closed_unread(line: Line) -> None:
    taken: list[bytes] = []

    class Source:
        closed = False

        def __iter__(self) -> Source:
            return self

        def __next__(self) -> bytes:
            taken.append(b"x")
            return b"x"

        def close(self) -> None:
            self.closed = True

    source = Source()
    job = line.held(Reply(stream=source))
    job.abandon()
    line.finish()
    assert (source.closed, taken) == (True, [])


def test_stream_ends_when_its_reader_leaves(line: Line) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    done = threading.Event()
    job = Job(lambda: Reply(stream=endless()), done.set, line.gate, UNLIMITED)
    line.threads.submit(job)
    assert done.wait(30)
    assert job.reply is not None
    assert job.reply.buffer is not None
    job.reply.buffer.close()
    assert line.finish()["running"] == 0
    assert len(job.reply.buffer.take()[0]) <= BUFFERED_PIECES


def test_threads_that_were_stopped_take_no_further_job(line: Line) -> None:
    line.held()
    line.release.set()
    line.threads.stop(30)
    line.job()
    assert not any(thread.is_alive() for thread in line.threads._threads)
    assert line.gate.figures()["waiting"] == 1


def test_stop_does_not_wait_for_ever_for_a_stuck_model(line: Line) -> None:
    line.held()
    line.threads.stop(0)
    assert line.gate.figures()["running"] == 1


def test_stop_may_be_called_by_a_prediction_thread(line: Line) -> None:
    stopped = threading.Event()

    def call() -> Reply:
        line.threads.stop(30)
        stopped.set()
        return Reply()

    line.job(call)
    assert stopped.wait(30)


def test_threads_that_never_started_can_be_stopped() -> None:
    Line(2).threads.stop(0)


def test_prediction_thread_has_an_event_loop(line: Line) -> None:
    seen: list[object] = []
    done = threading.Event()

    def call() -> Reply:
        seen.append(asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, "slept")))
        return Reply()

    line.threads.submit(Job(call, done.set, line.gate, UNLIMITED))
    assert done.wait(30)
    assert seen == ["slept"]


def test_expired_jobs_are_answered_and_keep_the_slot_until_the_model_returns(line: Line) -> None:
    woken, discarded = threading.Semaphore(0), threading.Event()
    running = line.held()
    waiting = Job(Reply, woken.release, line.gate, UNLIMITED, discarded.set)
    line.threads.submit(waiting)
    line.threads.expire("the end")
    assert woken.acquire(timeout=30)
    assert discarded.is_set()
    for job in (running, waiting):
        with pytest.raises(NotReady, match="the end"):
            job.overdue()
    assert line.threads.is_busy
    assert line.finish() | {"running": 0, "waiting": 0} == line.gate.figures()
    assert not line.threads.is_busy


def test_expired_stream_ends_with_an_error_event(line: Line) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        line.entered.release()
        assert line.release.wait(30)
        yield b"second"

    done = threading.Event()
    job = Job(lambda: Reply(stream=pieces()), done.set, line.gate, UNLIMITED)
    line.threads.submit(job)
    assert done.wait(30)
    assert line.entered.acquire(timeout=30)
    assert job.reply is not None
    assert job.reply.buffer is not None
    line.threads.expire("the end")
    line.threads.expire("again")
    received = b"".join(job.reply.buffer)
    assert received.startswith(b'firstdata: {"error": {"message": "the end"')
    line.finish()
    assert list(job.reply.buffer) == []


def test_job_that_is_done_or_that_nobody_waits_for_does_not_expire(line: Line) -> None:
    done = threading.Event()
    job = Job(Reply, done.set, line.gate, UNLIMITED)
    line.threads.submit(job)
    assert done.wait(30)
    left = line.held()
    left.abandon()
    for over in (job, left):
        over.expire("the end")
    assert job.overdue() == 0
    line.finish()
    assert left.reply is None
