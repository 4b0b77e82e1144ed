"""The event loop of a thread's hooks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from datarobot_drum.drum.hooks.loops import (
    adopt_thread_loop,
    close_thread_loop,
    share_thread_loop,
    thread_loop,
)


def in_thread(call: Callable[[], Any]) -> Any:
    """What `call` returns in a thread of its own."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join(30)
    (result,) = found
    return result


def test_loop_is_the_current_one_and_stays_the_same_after_asyncio_run() -> None:
    def call() -> bool:
        first = thread_loop()
        asyncio.run(asyncio.sleep(0))
        same = thread_loop() is first and asyncio.get_event_loop() is first
        close_thread_loop()
        return same and first.is_closed()

    assert in_thread(call)


def test_closed_loop_is_replaced() -> None:
    def call() -> bool:
        first = thread_loop()
        close_thread_loop()
        second = thread_loop()
        close_thread_loop()
        return second is not first

    assert in_thread(call)


def test_thread_without_a_loop_has_none_to_close() -> None:
    assert in_thread(close_thread_loop) is None


def test_shared_loop_is_current_in_who_adopts_it_and_closed_by_neither() -> None:
    def share() -> asyncio.AbstractEventLoop:
        shared = share_thread_loop()
        close_thread_loop()
        return shared

    loop = in_thread(share)

    def adopt() -> bool:
        adopt_thread_loop(loop)
        same = asyncio.get_event_loop() is loop and thread_loop() is loop
        close_thread_loop()
        return same and not loop.is_closed()

    assert in_thread(adopt)
    loop.close()
