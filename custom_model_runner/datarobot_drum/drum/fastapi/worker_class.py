"""The Gunicorn worker that runs the ASGI app on Uvicorn."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import sys
from typing import Any

from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from datarobot_drum.drum.fastapi.config import UvicornConfig
from datarobot_drum.drum.fastapi.draining import DrainingServer, tell_until_started
from datarobot_drum.drum.fastapi.protocol import GuardedProtocol, sweep
from datarobot_drum.drum.forks import hear_signals


class DrumUvicornWorker(UvicornWorker):  # type: ignore[misc]  # the package has no types
    """`uvicorn-worker` with our settings, and a QUIT that really ends it.

    The handler as shipped clears a flag that Uvicorn never reads, so that INT and QUIT to the
    arbiter would take the whole graceful timeout.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._uvicorn = UvicornConfig.from_runtime_params()
        self.CONFIG_KWARGS = self._uvicorn.to_uvicorn_kwargs()
        super().__init__(*args, **kwargs)
        # as shipped, its records go to Gunicorn's handlers: ours has none and hands them on
        logging.getLogger("uvicorn.error").propagate = True
        if self.cfg.is_ssl:
            self.config.ssl_context_factory = self.cfg.ssl_context

    def init_signals(self) -> None:
        """As shipped; signals that came since the fork come now."""
        super().init_signals()
        hear_signals()

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        edge = self._uvicorn.edge(self.wsgi.server.recorder)
        self.config.http = functools.partial(GuardedProtocol, edge=edge)
        server = DrainingServer(self.config, self)
        sweeper = asyncio.create_task(sweep(server.server_state.connections, edge))
        starting = asyncio.create_task(tell_until_started(server, self.notify))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGQUIT, server.end_at_once)
        # uvloop closes the descriptor of a socket that is wrapped, as Gunicorn's are, twice
        await server.serve(sockets=[listener.sock for listener in self.sockets])
        sweeper.cancel()
        starting.cancel()
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
