"""The WSGI app that a Gunicorn worker loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from datarobot_drum.drum import worker
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.gunicorn.context import WorkerCtx


class WorkerApp:
    """A WSGI app that knows its worker's context, where the arbiter's hooks find it."""

    def __init__(self, ctx: WorkerCtx) -> None:
        self.ctx = ctx
        self._app = ctx.app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        return self._app(environ, start_response)


def create_app() -> WorkerApp:
    """The app that the environment describes."""
    spec, settings = worker.from_environment()
    server = worker.build_server(spec, settings, ServerType.GUNICORN)
    return WorkerApp(WorkerCtx(server, spec, settings))
