"""Where a thread runs the coroutines of hooks.

By default on an event loop of the thread's own, as in a main thread: a client that `load_model`
made on it, say, can be used by an `async def score` later. A server that awaits many hooks at
once gives its threads an Awaiter.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Coroutine, Iterator
from typing import Any, Protocol

from datarobot_drum.drum.hooks.model_loop import close_pieces

_local = threading.local()


class Awaiter(Protocol):
    """Runs coroutines on an event loop that other threads use as well."""

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine."""

    def iterate(self, source: AsyncIterable[Any]) -> Iterator[Any]:
        """The pieces of an async iterable."""


class OwnLoop:
    """The Awaiter of threads that have none: the loop of the calling thread."""

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine."""
        return thread_loop().run_until_complete(coroutine)

    def iterate(self, source: AsyncIterable[Any]) -> Iterator[Any]:
        """The pieces of an async iterable, which is closed when nobody reads on."""
        loop = thread_loop()
        pieces = aiter(source)
        try:
            while True:
                try:
                    yield loop.run_until_complete(_next(pieces))
                except StopAsyncIteration:
                    return
        finally:
            loop.run_until_complete(close_pieces(pieces, source))


async def _next(pieces: Any) -> Any:
    return await anext(pieces)


OWN_LOOP = OwnLoop()


def use_awaiter(awaiter: Awaiter | None) -> None:
    """From now on hooks that share a loop are awaited by `awaiter` on this thread."""
    _local.awaiter = awaiter


def shared_awaiter() -> Awaiter:
    """What awaits hooks that share a loop on this thread."""
    return getattr(_local, "awaiter", None) or OWN_LOOP


def thread_loop() -> asyncio.AbstractEventLoop:
    """This thread's event loop, made when it is first asked for, and set as the current one.

    A hook that calls `asyncio.run` unsets it, so it is set again each time.
    """
    loop: asyncio.AbstractEventLoop | None = getattr(_local, "loop", None)
    if loop is None or loop.is_closed():
        loop = _local.loop = asyncio.new_event_loop()
        _local.owns_loop = True
    asyncio.set_event_loop(loop)
    return loop


def share_thread_loop() -> asyncio.AbstractEventLoop:
    """This thread's loop, which threads may adopt and the caller closes when all have ended."""
    loop = thread_loop()
    _local.owns_loop = False
    return loop


def adopt_thread_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Make another thread's loop this thread's, too; their code must take turns."""
    _local.loop, _local.owns_loop = loop, False
    asyncio.set_event_loop(loop)


def close_thread_loop() -> None:
    """Close this thread's event loop, if it has one of its own."""
    loop: asyncio.AbstractEventLoop | None = getattr(_local, "loop", None)
    if loop is not None:
        asyncio.set_event_loop(None)
        if _local.owns_loop:
            loop.close()
