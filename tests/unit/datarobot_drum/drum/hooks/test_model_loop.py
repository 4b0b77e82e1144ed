"""The loop that async hooks share: results, cancellation, streams, and its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from queue import SimpleQueue

import pytest

from datarobot_drum.drum.hooks import model_loop
from datarobot_drum.drum.hooks.model_loop import ModelLoop, Pieces

colour: ContextVar[str] = ContextVar("colour", default="")
PATIENCE = 20


@pytest.fixture
def loop() -> Iterator[ModelLoop]:
    loop = ModelLoop()
    yield loop
    loop.close(PATIENCE)
    assert loop._thread is None or not loop._thread.is_alive()


async def place() -> tuple[asyncio.AbstractEventLoop, str]:
    return asyncio.get_running_loop(), threading.current_thread().name


class Sleeper:
    """A coroutine that sleeps until it is cancelled."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.cancelled = threading.Event()

    async def sleep(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class Numbers:
    """An endless stream that tells where it runs and when it is closed."""

    def __init__(self) -> None:
        self.made = 0
        self.tasks: set[object] = set()
        self.closed = threading.Event()

    async def count(self) -> AsyncIterator[int]:
        try:
            while True:
                self.tasks.add(asyncio.current_task())
                self.made += 1
                yield self.made
        finally:
            self.tasks.add(asyncio.current_task())
            self.closed.set()


def test_all_coroutines_run_on_one_loop_in_its_own_thread(loop: ModelLoop) -> None:
    first, name = loop.wait(place())
    assert loop.wait(place()) == (first, "model-loop")
    assert name == "model-loop"


def test_loop_that_nobody_used_has_no_thread(loop: ModelLoop) -> None:
    assert loop._thread is None


def test_coroutine_sees_the_context_of_its_caller_and_leaves_it_alone(loop: ModelLoop) -> None:
    async def paint() -> str:
        before = colour.get()
        colour.set("blue")
        return before

    token = colour.set("red")
    assert (loop.wait(paint()), colour.get()) == ("red", "red")
    colour.reset(token)


@pytest.mark.parametrize(
    "error", [KeyError("k"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()]
)
def test_exception_goes_to_who_waits_and_the_loop_runs_on(
    loop: ModelLoop, error: BaseException
) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        loop.wait(fail())
    assert raised.value is error
    assert loop.wait(asyncio.sleep(0, "alive")) == "alive"


def test_task_of_the_model_that_exits_does_not_end_the_loop(
    loop: ModelLoop, caplog: pytest.LogCaptureFixture
) -> None:
    def leave() -> None:
        raise SystemExit(3)

    async def begin() -> None:
        asyncio.get_running_loop().call_soon(leave)

    loop.wait(begin())
    assert loop.wait(asyncio.sleep(0.01, "alive")) == "alive"
    assert "a background task of the model ended its event loop" in caplog.text


def test_coroutine_can_be_cancelled_from_any_thread(loop: ModelLoop) -> None:
    sleeper = Sleeper()
    running = loop.start(sleeper.sleep(), SimpleQueue())
    assert sleeper.begun.wait(PATIENCE)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        running.news.get(timeout=PATIENCE).get()
    assert sleeper.cancelled.is_set()
    running.cancel()


def test_coroutine_that_is_cancelled_at_once_never_begins(loop: ModelLoop) -> None:
    sleeper, held, go_on = Sleeper(), threading.Event(), threading.Event()
    loop.start(_hold(held, go_on), SimpleQueue())
    assert held.wait(PATIENCE)
    running = loop.start(sleeper.sleep(), SimpleQueue())
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        running.news.get(timeout=PATIENCE).get()
    assert not sleeper.begun.is_set()


async def _hold(held: threading.Event, go_on: threading.Event) -> None:
    held.set()
    assert go_on.wait(PATIENCE)


def test_stream_comes_piece_by_piece_as_it_is_asked_for(loop: ModelLoop) -> None:
    numbers = Numbers()
    pieces = loop.iterate(numbers.count())
    assert iter(pieces) is pieces
    assert (next(pieces), next(pieces), numbers.made) == (1, 2, 2)
    close(pieces)
    assert numbers.closed.is_set()


def close(pieces: Iterator[object]) -> None:
    assert isinstance(pieces, Pieces)
    pieces.close()


def test_stream_runs_in_one_task_from_its_first_piece_to_its_end(loop: ModelLoop) -> None:
    numbers = Numbers()
    pieces = loop.iterate(numbers.count())
    assert [next(pieces) for _ in range(3)] == [1, 2, 3]
    close(pieces)
    assert len(numbers.tasks) == 1


def test_stream_that_ended_gives_nothing_more(loop: ModelLoop) -> None:
    async def two() -> AsyncIterator[int]:
        yield 1
        yield 2

    pieces = loop.iterate(two())
    assert list(pieces) == [1, 2]
    assert list(pieces) == []
    close(pieces)


def test_stream_that_fails_raises_where_it_is(loop: ModelLoop) -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise ValueError("no more")

    pieces = loop.iterate(failing())
    assert next(pieces) == 1
    with pytest.raises(ValueError, match="no more"):
        next(pieces)
    assert list(pieces) == []


def test_stream_that_is_cancelled_just_ends(loop: ModelLoop) -> None:
    sleeper = Sleeper()

    async def stalling() -> AsyncIterator[int]:
        yield 1
        await sleeper.sleep()

    pieces = loop.iterate(stalling())
    assert next(pieces) == 1
    assert isinstance(pieces, Pieces)
    assert pieces._running is not None
    timer = threading.Thread(target=_cancel_when_begun, args=(sleeper, pieces._running))
    timer.start()
    assert list(pieces) == []
    timer.join()


def _cancel_when_begun(sleeper: Sleeper, running: model_loop.Running) -> None:
    assert sleeper.begun.wait(PATIENCE)
    running.cancel()


def test_stream_that_nobody_reads_on_is_closed_without_waiting(loop: ModelLoop) -> None:
    numbers = Numbers()
    pieces = loop.iterate(numbers.count())
    assert next(pieces) == 1
    del pieces
    gc.collect()
    assert numbers.closed.wait(PATIENCE)


def test_stream_closed_by_another_thread_is_not_waited_for(loop: ModelLoop) -> None:
    numbers, held, go_on = Numbers(), threading.Event(), threading.Event()
    pieces = loop.iterate(numbers.count())
    assert next(pieces) == 1
    loop.start(_hold(held, go_on), SimpleQueue())
    assert held.wait(PATIENCE)
    closing = threading.Thread(target=close, args=(pieces,))
    closing.start()
    closing.join(PATIENCE)
    assert not numbers.closed.is_set()
    go_on.set()
    assert numbers.closed.wait(PATIENCE)


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_stream_that_cannot_be_closed_is_told_to_the_log(
    loop: ModelLoop, is_cancelled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def clinging() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise ValueError("not now")

    pieces = loop.iterate(clinging())
    assert next(pieces) == 1
    assert isinstance(pieces, Pieces)
    assert pieces._running is not None
    pieces._running.is_cancelled = is_cancelled
    pieces.close()
    assert ("the model's stream could not be closed" in caplog.text) is not is_cancelled


class ClientStream:
    """A stream of a client library: iterated by a generator, closed by a method."""

    def __init__(self) -> None:
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[int]:
        yield 1

    async def close(self) -> None:
        self.closed += 1


class PlainStream:
    """A stream that is its own iterator and needs no closing."""

    def __aiter__(self) -> PlainStream:
        return self

    async def __anext__(self) -> int:
        raise StopAsyncIteration


def test_stream_of_a_client_is_closed_as_clients_are(loop: ModelLoop) -> None:
    stream = ClientStream()
    assert list(loop.iterate(stream)) == [1]
    assert stream.closed == 1
    assert list(loop.iterate(PlainStream())) == []


def test_piece_that_comes_while_the_stream_is_closed_is_dropped(loop: ModelLoop) -> None:
    numbers = Numbers()
    pieces = loop.iterate(numbers.count())
    assert next(pieces) == 1
    assert isinstance(pieces, Pieces)
    assert pieces._running is not None
    pieces._ask(pieces._running, more=True)
    pieces.close()
    assert numbers.closed.is_set()


def test_end_cancels_what_runs_and_closes_streams() -> None:
    loop, sleeper, numbers = ModelLoop(), Sleeper(), Numbers()
    running = loop.start(sleeper.sleep(), SimpleQueue())
    pieces = loop.iterate(numbers.count())
    assert next(pieces) == 1
    assert sleeper.begun.wait(PATIENCE)
    event_loop, _ = loop.wait(place())
    loop.close(PATIENCE)
    assert event_loop.is_closed()
    assert sleeper.cancelled.is_set()
    assert numbers.closed.is_set()
    with pytest.raises(asyncio.CancelledError):
        running.news.get(timeout=PATIENCE).get()
    running.cancel()
    loop.close(PATIENCE)


def test_end_closes_generators_that_nobody_closed() -> None:
    loop, numbers = ModelLoop(), Numbers()
    items = numbers.count()
    assert loop.wait(_first(items)) == 1
    loop.close(PATIENCE)
    assert numbers.closed.is_set()


async def _first(items: AsyncIterator[int]) -> int:
    return await anext(items)


def test_nothing_can_begin_after_the_end() -> None:
    loop = ModelLoop()
    loop.close(0)
    with pytest.raises(RuntimeError, match="the worker has stopped"):
        loop.wait(asyncio.sleep(0))


def test_end_does_not_wait_for_ever_for_a_hook_that_blocks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop, held, go_on = ModelLoop(), threading.Event(), threading.Event()
    loop.start(_hold(held, go_on), SimpleQueue())
    assert held.wait(PATIENCE)
    with caplog.at_level(logging.WARNING):
        loop.close(0)
    assert "an async hook did not end within 0 s of its cancellation" in caplog.text
    go_on.set()
    loop.close(PATIENCE)


def test_loop_that_a_hook_blocks_is_silent_since_it_was_asked(loop: ModelLoop) -> None:
    held, go_on = threading.Event(), threading.Event()
    assert loop.silent_since() is None
    loop.start(_hold(held, go_on), SimpleQueue())
    assert held.wait(PATIENCE)
    assert loop.silent_since() is None
    since = loop.silent_since()
    assert since is not None
    assert loop.silent_since() == since
    go_on.set()
    loop.wait(asyncio.sleep(0))
    assert loop.silent_since() is None
