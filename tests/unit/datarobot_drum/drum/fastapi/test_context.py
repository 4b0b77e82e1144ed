"""`FastAPIWorkerCtx`: what it starts, in which order it ends, how an event loop waits for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.operations.commands import eventually, row
from tests.unit.datarobot_drum.drum.conftest import CsvRequest

from datarobot_drum.drum import noticeboard, worker
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.fastapi.context import FastAPIWorkerCtx
from datarobot_drum.drum.fastapi.forwarding import DISCONNECT, ClientLeft
from datarobot_drum.drum.lifecycle import CleanupOrder, get_worker_ctx
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import ROUTES
from datarobot_drum.drum.settings import ModelSpec, ServeSpec, Settings

PREDICT, LIVEZ, INFO, STATS = (
    next(route for route in ROUTES if route.name == name)
    for name in ("predict", "livez", "info", "stats")
)
DATA = b"a,b\n1,2\n"
PATIENCE = 20

Running = Callable[..., AbstractAsyncContextManager[FastAPIWorkerCtx]]


class Held:
    """A request whose hook waits until the test lets it go."""

    def __init__(self, ctx: FastAPIWorkerCtx, request: CsvRequest, place: Path) -> None:
        self._call = ctx.call(PREDICT, request(row("wait", 1)), connected)
        self._place = place

    async def begin(self) -> asyncio.Task[Reply]:
        """Send it; its hook runs when this returns."""
        sent = asyncio.create_task(self._call)
        await asyncio.to_thread(eventually, (self._place / "journal").exists, "the hook begins")
        return sent

    def let_go(self) -> None:
        """Let the hook end."""
        (self._place / "go-1").touch()


async def connected() -> Any:
    """What a client sends that stays."""
    await asyncio.Event().wait()


async def gone() -> Any:
    """What a client sends that has left."""
    return {"type": DISCONNECT}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """What the hook and the test share."""
    monkeypatch.setenv("COMMAND_PLACE", str(tmp_path))
    return tmp_path


@pytest.fixture
def hold(csv_request, place) -> Callable[[FastAPIWorkerCtx], Held]:
    """`hold(ctx)` is a request that keeps the only prediction thread busy."""
    return lambda ctx: Held(ctx, csv_request, place)


@pytest.fixture
def running(model_folder, place) -> Running:
    """`async with running(**settings) as ctx:` is a worker that has loaded the model."""
    folder = model_folder("commanded")

    @asynccontextmanager
    async def run(give_up: Any = pytest.fail, **settings: Any) -> AsyncIterator[FastAPIWorkerCtx]:
        spec = ServeSpec(ModelSpec(str(folder), target_type="regression"))
        chosen = Settings(**{"graceful_timeout": PATIENCE, **settings})
        server = worker.build_server(spec, chosen, ServerType.FASTAPI)
        ctx = FastAPIWorkerCtx(server, spec, chosen)
        ctx.begin(give_up)
        assert await asyncio.to_thread(server.wait_until_loaded, PATIENCE)
        yield ctx
        ctx.drain()
        await asyncio.to_thread(ctx.stop)
        await asyncio.to_thread(ctx.cleanup)

    return run


def test_worker_loads_answers_and_cleans_up_in_order(running, csv_request):
    order: list[str] = []

    async def release() -> None:
        order.append("user")

    async def live() -> FastAPIWorkerCtx:
        async with running() as ctx:
            assert ctx.running()
            assert get_worker_ctx() == ctx
            # it runs on the event loop, between the steps of others
            ctx.defer_cleanup(release)
            ctx.defer_cleanup(lambda: order.append("last"), order=CleanupOrder.FINISHED)
            ctx.defer_cleanup(lambda: order.append("first"), order=CleanupOrder.MODEL + 1)
            reply = await ctx.call(PREDICT, csv_request(DATA), connected)
            assert (reply.status, reply.body) == (200, b'{"predictions":[%d.0]}' % os.getpid())
        return ctx

    ctx = asyncio.run(live())
    assert order == ["first", "user", "last"]
    assert ctx.leaving
    assert not ctx.running()


def test_model_that_cannot_be_loaded_gives_the_worker_up(running, tmp_path):
    (tmp_path / "commanded" / "custom.py").write_text("raise ValueError('broken')")
    codes: list[int] = []

    async def live() -> State:
        async with running(give_up=codes.append) as ctx:
            return ctx.server.state

    assert asyncio.run(live()) is State.FAILED
    assert codes == [worker.BOOT_FAILURE]


def test_full_line_is_answered_503_without_waiting(running, hold, csv_request):
    async def both() -> tuple[int, int]:
        async with running(queue_depth=0) as ctx:
            held = hold(ctx)
            first = await held.begin()
            second = await ctx.call(PREDICT, csv_request(DATA), connected)
            assert dict(second.headers)["Retry-After"]
            held.let_go()
            return (await first).status, second.status

    assert asyncio.run(both()) == (200, 503)


def test_other_routes_are_answered_while_a_hook_runs(running, hold, csv_request):
    async def both() -> list[int]:
        async with running() as ctx:
            held = hold(ctx)
            first = await held.begin()
            others = [await ctx.call(r, csv_request(b""), connected) for r in (LIVEZ, INFO, STATS)]
            assert not first.done()
            held.let_go()
            return [reply.status for reply in (*others, await first)]

    assert asyncio.run(both()) == [200] * 4


def test_request_whose_client_leaves_in_the_line_never_runs(running, hold, csv_request, place):
    async def leave() -> dict[str, float]:
        async with running() as ctx:
            held = hold(ctx)
            first = await held.begin()
            with pytest.raises(ClientLeft):
                await ctx.call(PREDICT, csv_request(DATA), gone)
            held.let_go()
            await first
            figures: dict[str, float] = ctx.server.gate.figures()
            return figures

    figures = asyncio.run(leave())
    assert (figures["abandoned"], figures["waiting"]) == (1, 0)
    assert (place / "journal").read_text().count("begin") == 1


def test_request_that_outlasts_the_graceful_timeout_is_answered_503(running, hold):
    async def stop() -> Reply:
        async with running(graceful_timeout=1) as ctx:
            held = hold(ctx)
            request = await held.begin()
            ctx.drain()
            reply: Reply = await request
            held.let_go()
            return reply

    reply = asyncio.run(stop())
    assert reply.status == 503
    assert b"the server is shutting down" in reply.body


def test_new_worker_listens_when_it_is_ready_if_others_serve(running, monkeypatch):
    board = noticeboard.Noticeboard()
    board.must_wait = True
    monkeypatch.setattr(noticeboard, "own", lambda: board)

    async def wait() -> None:
        async with running() as ctx:
            await asyncio.wait_for(ctx.wait_for_turn(), PATIENCE)
            board.ready = False
            turn = asyncio.create_task(ctx.wait_for_turn())
            await asyncio.sleep(0)
            assert not turn.done()
            # one that is to end does not wait for its model
            ctx.drain()
            await asyncio.wait_for(turn, PATIENCE)

    asyncio.run(wait())
