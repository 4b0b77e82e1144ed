"""`FastAPIWorkerCtx`: what it starts, in which order it ends, and that a full line is told."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from datarobot_drum.drum import worker
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.fastapi.context import FastAPIWorkerCtx
from datarobot_drum.drum.lifecycle import CleanupOrder
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.routes import ROUTES
from datarobot_drum.drum.settings import ModelSpec, ServeSpec, Settings

LINEAR = Path(__file__).resolve().parents[4] / "fixtures" / "models" / "linear"
PREDICT = next(route for route in ROUTES if route.name == "predict")


@pytest.fixture
def ctx(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    folder = shutil.copytree(LINEAR, tmp_path / "model")
    spec = ServeSpec(ModelSpec(str(folder), target_type="regression"))
    settings = Settings(queue_depth=0)
    server = worker.build_server(spec, settings, ServerType.FASTAPI)
    return FastAPIWorkerCtx(server, spec, settings)


def request() -> RequestAdapter:
    body = SpooledUploadFile(0)
    body.feed(b"a,b\n1,2\n")
    return RequestAdapter(
        method="POST",
        path="/predict/",
        query_string="",
        pairs=(),
        content_type="text/csv",
        body=body,
    )


def test_worker_loads_answers_and_cleans_up_in_order(ctx):
    exits: list[int] = []
    order: list[str] = []
    ctx.defer_cleanup(lambda: order.append("user"), desc="user")
    ctx.defer_cleanup(lambda: order.append("last"), order=CleanupOrder.FINISHED, desc="last")
    ctx.defer_cleanup(lambda: order.append("first"), order=CleanupOrder.MODEL + 1, desc="first")
    ctx.begin(exits.append)
    assert ctx.server.wait_until_loaded(20)
    reply = asyncio.run(ctx.call(PREDICT, request()))
    assert (reply.status, reply.body) == (200, b'{"predictions":[22.0]}')
    ctx.stop()
    ctx.cleanup()
    assert order == ["first", "user", "last"]
    assert exits == []


def test_full_line_is_answered_503_without_waiting(ctx):
    ctx.begin(lambda code: None)
    assert ctx.server.wait_until_loaded(20)
    entered, leave = threading.Event(), threading.Event()

    def slow(request: RequestAdapter) -> object:
        entered.set()
        leave.wait(20)
        raise RuntimeError("done")

    ctx.server.do_predict_structured = slow

    async def both() -> tuple[int, int]:
        first = asyncio.create_task(ctx.call(PREDICT, request()))
        await asyncio.to_thread(entered.wait, 20)
        second = await ctx.call(PREDICT, request())
        assert dict(second.headers)["Retry-After"]
        leave.set()
        return (await first).status, second.status

    assert asyncio.run(both()) == (500, 503)
    ctx.stop()
    ctx.cleanup()
