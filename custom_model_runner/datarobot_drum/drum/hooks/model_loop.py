"""The event loop that all `async def` hooks of a worker share, in a thread of its own.

A hook that blocks it by mistake delays other async hooks, but neither probes nor requests that
wait for their bodies, which have the server's event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import AsyncIterable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

logger = logging.getLogger("drum.hooks")

#: Seconds that coroutines have to end when they are cancelled at the end of the worker.
CLOSING_SECONDS = 2.0


@dataclass(frozen=True)
class Outcome:
    """What a coroutine returned or raised; or a piece, of which more may follow."""

    value: Any = None
    error: BaseException | None = None
    is_piece: bool = False

    def get(self) -> Any:
        """The value; raises the error if there is one."""
        try:
            if self.error is not None:
                raise self.error
            return self.value
        finally:
            # the error holds this frame, which must not hold the error
            del self


News = SimpleQueue[Outcome]
Start = Callable[[Coroutine[Any, Any, Any], News], "Running"]
Waiting = Callable[[], AbstractContextManager[object]]


class Running:
    """A coroutine on the model loop: one thread waits for its `news`, any thread may cancel it.

    The outcome is the last of the news.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], news: News
    ) -> None:
        self.news = news
        self.is_cancelled = False
        self._loop = loop
        self._task: asyncio.Task[Outcome] | None = None
        # which copies the caller's context, and so does the task
        loop.call_soon_threadsafe(self._start, coroutine)

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._task = self._loop.create_task(_watched(coroutine))
        self._task.add_done_callback(lambda task: self._end(task, coroutine))

    def _end(self, task: asyncio.Task[Outcome], coroutine: Coroutine[Any, Any, Any]) -> None:
        # the task holds the request's context, which may hold who waits here
        self._task = None
        if task.cancelled():
            # before its first step
            coroutine.close()
            self.news.put(Outcome(error=asyncio.CancelledError()))
        else:
            self.news.put(task.result())

    def cancel(self) -> None:
        """Raise CancelledError where the coroutine waits, unless it has ended."""
        self.is_cancelled = True
        self.post(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def post(self, call: Callable[[], object]) -> None:
        """Call something on the loop; nothing happens after the loop was closed."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)


async def _watched(coroutine: Coroutine[Any, Any, Any]) -> Outcome:
    try:
        return Outcome(await coroutine)
    except BaseException as error:
        # SystemExit, say, would end the loop; it belongs to the thread that waits
        return Outcome(error=error)


class Pieces(Iterator[Any]):
    """An async iterable as an iterator for one thread.

    One task runs the iterable from its first piece to its end, as cancel scopes and context
    variables want it, and makes a piece only when it is asked for. `waiting` is entered while the
    thread waits for the task.
    """

    def __init__(
        self, start: Start, source: AsyncIterable[Any], waiting: Waiting = nullcontext
    ) -> None:
        self._waiting = waiting
        self._wanted: asyncio.Queue[bool] = asyncio.Queue()
        self._news: News = SimpleQueue()
        self._thread = threading.get_ident()
        # the task must not hold this object, whose end tells it that nobody reads on
        coroutine = drive(source, self._wanted, self._news)
        self._running: Running | None = start(coroutine, self._news)

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> Any:
        if self._running is None:
            raise StopIteration
        self._ask(self._running, more=True)
        news = self._wait()
        if news.is_piece:
            return news.value
        was_cancelled, self._running = self._running.is_cancelled, None
        try:
            if not was_cancelled:
                news.get()
        finally:
            del news
        raise StopIteration

    def _wait(self) -> Outcome:
        with self._waiting():
            return self._news.get()

    def _ask(self, running: Running, *, more: bool) -> None:
        wanted = self._wanted
        running.post(lambda: wanted.put_nowait(more))

    def close(self) -> None:
        """Close the iterable where it stands, and return when that is done."""
        running, self._running = self._running, None
        if running is None:
            return
        self._ask(running, more=False)
        if threading.get_ident() != self._thread:
            # the collector may come by on any thread, the loop's own included: no waiting there
            return
        while (news := self._wait()).is_piece:
            continue
        if news.error is not None and not running.is_cancelled:
            logger.error("the model's stream could not be closed", exc_info=news.error)

    def __del__(self) -> None:
        running = getattr(self, "_running", None)
        if running is not None:
            self._ask(running, more=False)


async def drive(source: AsyncIterable[Any], wanted: asyncio.Queue[bool], news: News) -> None:
    """Tell a piece of `source` for each True in `wanted`, until its end or a False; close it."""
    pieces = aiter(source)
    try:
        while await wanted.get():
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                break
            news.put(Outcome(piece, is_piece=True))
    finally:
        await close_pieces(pieces, source)


async def close_pieces(*closeables: object) -> None:
    """Call what each has of `aclose` and `close` (the streams of clients have one or other)."""
    for closeable in dict.fromkeys(closeables):
        close = getattr(closeable, "aclose", None) or getattr(closeable, "close", None)
        closing = close() if callable(close) else None
        if inspect.isawaitable(closing):
            await closing


class ModelLoop:
    """Runs the coroutines of hooks; its thread starts with the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._asked: float | None = None
        self._ended = False

    def start(self, coroutine: Coroutine[Any, Any, Any], news: News) -> Running:
        """Begin a coroutine, in a copy of the caller's context; RuntimeError after `close`."""
        with self._lock:
            if self._closed:
                coroutine.close()
                raise RuntimeError("the worker has stopped; no hook can be awaited any more")
            return Running(self._ready(), coroutine, news)

    def _ready(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._serve, args=(self._loop,), name="model-loop", daemon=True
            )
            self._thread.start()
        return self._loop

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine; blocks the calling thread."""
        return self.start(coroutine, SimpleQueue()).news.get().get()

    def iterate(self, source: AsyncIterable[Any]) -> Iterator[Any]:
        """The pieces of an async iterable; each blocks the calling thread until it is there."""
        return Pieces(self.start, source)

    def silent_since(self) -> float | None:
        """When this was asked for the first time that the loop has not answered to; None if it has.

        A hook that blocks the loop keeps it silent.
        """
        if self._asked is None:
            with self._lock:
                if self._loop is not None and not self._closed:
                    self._asked = time.monotonic()
                    self._loop.call_soon_threadsafe(self._answer)
            return None
        return self._asked

    def _answer(self) -> None:
        self._asked = None

    def close(self, timeout: float) -> None:
        """Cancel what runs, close async generators and the loop, within about `timeout` seconds.

        A hook that swallows the cancellation or blocks the loop is left to the process's end.
        """
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._end)
        thread.join(timeout)
        if thread.is_alive():
            logger.warning("an async hook did not end within %.0f s of its cancellation", timeout)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while not self._ended:
            _unharmed(loop.run_forever)
        _unharmed(lambda: loop.run_until_complete(_end_all()))
        loop.close()

    def _end(self) -> None:
        self._ended = True
        asyncio.get_running_loop().stop()


def _unharmed(run: Callable[[], object]) -> None:
    try:
        run()
    except BaseException:
        # asyncio lets SystemExit and KeyboardInterrupt of any task or callback through
        logger.exception("a background task of the model ended its event loop; it runs on")


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
    generators = asyncio.get_running_loop().shutdown_asyncgens()
    with suppress(TimeoutError):
        await asyncio.wait_for(generators, CLOSING_SECONDS)
