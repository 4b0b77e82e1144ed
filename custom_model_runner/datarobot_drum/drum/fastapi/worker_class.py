"""The Gunicorn worker that runs the ASGI app on Uvicorn."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

from gunicorn.arbiter import Arbiter
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from datarobot_drum.drum.fastapi.config import UvicornConfig


class DrumUvicornWorker(UvicornWorker):  # type: ignore[misc]  # the package has no types
    """`uvicorn-worker` with our settings, and a QUIT that really ends it.

    The handler as shipped clears a flag that Uvicorn never reads, so that INT and QUIT to the
    arbiter would take the whole graceful timeout.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.CONFIG_KWARGS = UvicornConfig.from_runtime_params().to_uvicorn_kwargs()
        super().__init__(*args, **kwargs)
        if self.cfg.is_ssl:
            self.config.ssl_context_factory = self.cfg.ssl_context

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = Server(config=self.config)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGQUIT, _quit, server)
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)


def _quit(server: Server) -> None:
    server.should_exit = True
    server.force_exit = True
