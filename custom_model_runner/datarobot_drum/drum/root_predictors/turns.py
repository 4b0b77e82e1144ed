"""Turns of a model with async hooks: many requests wait in coroutines, few run Python code."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from queue import SimpleQueue
from typing import Any

from datarobot_drum.drum.hooks.model_loop import ModelLoop, News, Pieces, Running


class Turns:
    """At most `count` threads have a turn at a time; the others get it in the order they asked.

    A plain lock would let the thread that gave it back take it again before those that wait.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._lock = threading.Lock()
        self._line: deque[threading.Lock] = deque()

    def take(self) -> None:
        """Wait for a turn."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            self._line.append(mine)
        mine.acquire()

    def give(self) -> None:
        """Hand the turn to the one who has waited longest."""
        with self._lock:
            if self._line:
                self._line.popleft().release()
            else:
                self._free += 1


class Turn:
    """The turn of one request's thread: given away while it awaits a hook.

    `cancel` may come from any thread; it ends the coroutine that is awaited, and those that the
    request would begin later.
    """

    def __init__(self, turns: Turns, loop: ModelLoop) -> None:
        self._turns = turns
        self._loop = loop
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._cancelled = False
        self._streams = False
        self._owner: int | None = None

    def take(self) -> None:
        """Wait for the turn."""
        self._turns.take()
        self._owner = threading.get_ident()

    def give(self) -> None:
        """Let the next one have it."""
        self._owner = None
        self._turns.give()

    @property
    def is_blocking(self) -> bool:
        """Is the turn here, so that others wait for it?"""
        return self._owner is not None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let others have the turn meanwhile; on a thread that has none, just what is inside."""
        if self._owner != threading.get_ident():
            yield
            return
        self.give()
        try:
            yield
        finally:
            self.take()

    def reading(self) -> AbstractContextManager[None]:
        """What to enter while a stream waits for its reader.

        A stream of a sync generator keeps the turn to its end, as that of a sync model does.
        """
        return self.away() if self._streams else nullcontext()

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine on the model loop; CancelledError when it was cancelled."""
        running = self._start(coroutine, SimpleQueue())
        with self.away():
            outcome = running.news.get()
        try:
            return outcome.get()
        finally:
            del outcome

    def iterate(self, source: AsyncIterable[Any]) -> Iterator[Any]:
        """The pieces of an async iterable on the model loop; they end when cancelled."""
        self._streams = True
        return Pieces(self._start, source, self.away)

    def _start(self, coroutine: Coroutine[Any, Any, Any], news: News) -> Running:
        running = self._loop.start(coroutine, news)
        with self._lock:
            self._running = running
            cancelled = self._cancelled
        if cancelled:
            running.cancel()
        return running

    def cancel(self) -> None:
        """Nobody waits for this request any more."""
        with self._lock:
            self._cancelled = True
            running = self._running
        if running is not None:
            running.cancel()
