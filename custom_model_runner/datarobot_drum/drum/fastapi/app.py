"""Makes the ASGI app of a prediction server; its lifespan is the worker's life."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import fastapi
from starlette.responses import Response
from starlette.types import ASGIApp

from datarobot_drum.drum import worker
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.errors import RefusedRequest
from datarobot_drum.drum.fastapi import extensions
from datarobot_drum.drum.fastapi.context import FastAPIWorkerCtx
from datarobot_drum.drum.fastapi.middleware import setup_middlewares
from datarobot_drum.drum.fastapi.otel import NO_TELEMETRY
from datarobot_drum.drum.fastapi.routes import Fallback, register_routes
from datarobot_drum.drum.settings import ServeSpec, Settings

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


def create_app() -> ASGIApp:
    """What the arbiter loads in a worker process: the app that the environment describes."""
    spec, settings = worker.from_environment()
    return worker.exit_on_failure(lambda: create_asgi_app(spec, settings, os._exit))


def create_asgi_app(spec: ServeSpec, settings: Settings, give_up: Callable[[int], None]) -> ASGIApp:
    """What an ASGI server calls: the app with the folder's `custom_fastapi.py`, wrapped.

    When the model could not be loaded a second app without the extension answers: clients of the
    reference expect 513 there whatever the extension does.
    """
    server = worker.build_server(spec, settings, ServerType.FASTAPI)
    ctx = FastAPIWorkerCtx(server, spec, settings)
    app = _app(ctx, give_up)
    code_dir = spec.model.code_dir
    if settings.ignore_server_extensions or not extensions.exists(code_dir):
        return setup_middlewares(server, settings, app, app)
    extended = _app(ctx, give_up)
    worker.load_extension(server, spec, lambda: extensions.load(extended, code_dir))
    return setup_middlewares(server, settings, extended, app)


def _app(ctx: FastAPIWorkerCtx, give_up: Callable[[int], None]) -> fastapi.FastAPI:
    app = create_fastapi_app(_lifespan(ctx, give_up))
    app.state.worker_ctx = ctx
    router = fastapi.APIRouter()
    register_routes(router, ctx)
    get_fastapi_app(router, app)
    app.router.default = Fallback(ctx)

    async def internal_error(request: Any, error: Exception) -> Response:
        reply = ctx.server.internal_error()
        return Response(reply.body, reply.status, media_type=reply.content_type)

    async def refused(request: Any, error: Exception) -> Response:
        reply = ctx.server.error_reply(cast("RefusedRequest", error))
        return Response(reply.body, reply.status, media_type=reply.content_type)

    app.add_exception_handler(Exception, internal_error)
    app.add_exception_handler(RefusedRequest, refused)
    return app


def create_fastapi_app(lifespan: Lifespan | None = None) -> fastapi.FastAPI:
    """A bare FastAPI app: no redirects, and no docs pages of its own."""
    # the core serves the pages, the same on every server and without assets from elsewhere
    return fastapi.FastAPI(
        title="drum",
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,
        telemetry=NO_TELEMETRY,
    )


def get_fastapi_app(
    router: fastapi.APIRouter, app: fastapi.FastAPI | None = None
) -> fastapi.FastAPI:
    """`app` with the routes of `router`, matched directly and not through a nested router."""
    app = app or create_fastapi_app()
    app.router.routes.extend(router.routes)
    return app


def _lifespan(ctx: FastAPIWorkerCtx, give_up: Callable[[int], None]) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        ctx.begin(give_up)
        await ctx.wait_for_turn()
        yield
        ctx.drain()
        await ctx.forwarder.close()
        # waits for the last hook to return, which must not stop the event loop
        await asyncio.to_thread(ctx.stop)
        await asyncio.to_thread(ctx.cleanup)

    return lifespan
