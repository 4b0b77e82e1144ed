"""The event loop that hooks of a thread share, as they would in a main thread.

A client that `load_model` made on it, say, can be used by an `async def score` later.
"""

from __future__ import annotations

import asyncio
import threading

_local = threading.local()


def thread_loop() -> asyncio.AbstractEventLoop:
    """This thread's event loop, made when it is first asked for, and set as the current one.

    A hook that calls `asyncio.run` unsets it, so it is set again each time.
    """
    loop: asyncio.AbstractEventLoop | None = getattr(_local, "loop", None)
    if loop is None or loop.is_closed():
        loop = _local.loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def close_thread_loop() -> None:
    """Close this thread's event loop, if it has one."""
    loop: asyncio.AbstractEventLoop | None = getattr(_local, "loop", None)
    if loop is not None:
        asyncio.set_event_loop(None)
        loop.close()
