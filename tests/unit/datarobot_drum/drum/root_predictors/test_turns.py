"""Turns: how many run at once, in which order, and when they are given away."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from datarobot_drum.drum.hooks.model_loop import ModelLoop
from datarobot_drum.drum.root_predictors.turns import Turn, Turns

PATIENCE = 20


@pytest.fixture
def loop() -> Iterator[ModelLoop]:
    loop = ModelLoop()
    yield loop
    loop.close(PATIENCE)


@pytest.fixture
def turn(loop: ModelLoop) -> Iterator[Turn]:
    """A turn that this thread has; there is no other one."""
    turn = Turn(Turns(1), loop)
    turn.take()
    yield turn
    turn.give()


def in_line(turns: Turns, count: int) -> None:
    end = time.monotonic() + PATIENCE
    while len(turns._line) != count:
        assert time.monotonic() < end
        time.sleep(0.001)


def in_thread(call: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns, order = Turns(1), list[int]()

    def work(number: int) -> None:
        turns.take()
        order.append(number)
        turns.give()

    turns.take()
    threads = []
    for number in range(5):
        threads.append(in_thread(lambda number=number: work(number)))  # type: ignore[misc]
        in_line(turns, number + 1)
    turns.give()
    for thread in threads:
        thread.join(PATIENCE)
    assert (order, turns._free) == ([0, 1, 2, 3, 4], 1)


def test_as_many_have_a_turn_as_there_are() -> None:
    turns = Turns(2)
    turns.take()
    turns.take()
    third = in_thread(turns.take)
    in_line(turns, 1)
    turns.give()
    third.join(PATIENCE)
    assert not third.is_alive()


async def turns_given_away(turn: Turn) -> int:
    """Asked on the model loop, which may begin before the thread that waits for it does."""
    for _ in range(1000):
        if turn._turns._free:
            break
        await asyncio.sleep(0.01)
    return turn._turns._free


def test_turn_is_away_while_a_coroutine_is_awaited(turn: Turn) -> None:
    assert turn.wait(turns_given_away(turn)) == 1
    assert turn._turns._free == 0


def test_turn_comes_back_with_an_exception(turn: Turn) -> None:
    async def fail() -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        turn.wait(fail())
    assert turn._turns._free == 0


def test_turn_is_away_while_a_piece_is_awaited(turn: Turn) -> None:
    async def see() -> AsyncIterator[int]:
        yield await turns_given_away(turn)

    assert list(turn.iterate(see())) == [1]
    assert turn._turns._free == 0


def test_turn_waits_with_an_async_stream_for_its_reader(turn: Turn) -> None:
    async def nothing() -> AsyncIterator[int]:
        return
        yield 1

    with turn.reading():
        assert turn._turns._free == 0
    assert list(turn.iterate(nothing())) == []
    with turn.reading():
        assert turn._turns._free == 1
    assert turn._turns._free == 0


def test_thread_without_the_turn_gives_none_away(turn: Turn) -> None:
    found: list[object] = []
    in_thread(lambda: found.append(turn.wait(asyncio.sleep(0, "slept")))).join(PATIENCE)
    assert (found, turn._turns._free) == (["slept"], 0)


def test_cancelled_request_begins_nothing_more(turn: Turn) -> None:
    begun: list[bool] = []

    async def begin() -> None:
        begun.append(True)
        await asyncio.sleep(PATIENCE)

    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        turn.wait(begin())
        turn.wait(begin())
    assert turn._turns._free == 0


def test_cancel_ends_what_is_awaited(turn: Turn) -> None:
    async def sleep() -> None:
        in_thread(turn.cancel)
        await asyncio.sleep(PATIENCE)

    with pytest.raises(asyncio.CancelledError):
        turn.wait(sleep())
