"""How a Uvicorn worker ends: in order, without losing a request that has reached it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from datarobot_drum.drum import noticeboard
from datarobot_drum.drum.fastapi.protocol import shaking_hands
from datarobot_drum.drum.lifecycle import get_worker_ctx
from datarobot_drum.drum.worker import LAST_WORDS, ServerCtx

logger = logging.getLogger("drum.fastapi")

#: Seconds that a kept connection stays open after the end of listening, for a request that its
#: client may be sending already (Gunicorn's threads do the same).
LINGER = 2.0
#: Seconds between two looks at what may have changed.
POLL_PERIOD = 0.05
#: Seconds between two signs of life.
NOTIFY_PERIOD = 1.0


class DrainingServer(Server):
    """Uvicorn's server inside a worker of the arbiter.

    As shipped it dies of the SIGTERM that it has handled, closes kept connections under their
    clients' requests, forgets connections that wait at the socket, and ends when it has served its
    number of requests, whether there is a successor or not.
    """

    def __init__(self, config: Config, worker: Any) -> None:
        super().__init__(config)
        self._worker = worker
        self._stop_at: float | None = None
        self._sockets: list[socket.socket] = []
        self._idle_since: dict[Any, float] = {}

    @property
    def _ctx(self) -> ServerCtx | None:
        ctx = get_worker_ctx()
        return ctx if isinstance(ctx, ServerCtx) else None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: not ready from now on; listening ends now, or after the pre-stop delay."""
        if sig == signal.SIGINT:
            self.end_at_once()
        elif self._stop_at is None:
            board = noticeboard.own()
            if not self.started and board.must_wait and not board.ready:
                self._let_go_of_sockets()
            delay = 0.0 if self._ctx is None else self._ctx.begin_drain()
            self._stop_at = time.monotonic() + delay

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """As Uvicorn's; keeps the list, which it reads when its turn to listen has come."""
        self._sockets = sockets or []
        await super().serve(sockets)

    def _let_go_of_sockets(self) -> None:
        """Connections are for those that serve."""
        while self._sockets:
            self._sockets.pop().close()
        noticeboard.own().leaving = True

    def end_at_once(self) -> None:
        """SIGINT and SIGQUIT: what runs is answered that it is over."""
        if self._ctx is not None:
            self._ctx.hurry()
        self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Is it time to stop serving? Ask for a successor when enough requests were served."""
        if self.server_state.total_requests >= self._worker.max_requests:
            noticeboard.own().wants_successor = True
        is_over = self._stop_at is not None and time.monotonic() >= self._stop_at
        return await super().on_tick(counter) or is_over

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let requests end, then the app."""
        if self._ctx is not None:
            self._ctx.kill_at_end()
        stops = noticeboard.own().server_stops and not self.force_exit
        waiting = [listener.dup() for listener in sockets or [] if stops]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await self._take_waiting(waiting)
        await self._let_requests_end()
        await self.lifespan.shutdown()

    async def _take_waiting(self, listeners: Iterable[socket.socket]) -> None:
        """Serve connections that the kernel has accepted before the last listener is closed."""
        taken = []
        for listener in listeners:
            listener.setblocking(False)
            while (client := _accept(listener)) is not None:
                taken.append(asyncio.create_task(self._take(client)))
            listener.close()
        if taken:
            # all at once: the handshake of one client may take for ever
            _, slow = await asyncio.wait(taken, timeout=LINGER)
            for task in slow:
                task.cancel()

    async def _take(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._protocol, client, ssl=self.config.ssl)
        except OSError as error:
            logger.debug("no TLS connection: %s", error)

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def _let_requests_end(self) -> None:
        end = (
            time.monotonic() + LAST_WORDS + (0 if self._ctx is None else self._ctx.requests_left())
        )
        shakes_until = time.monotonic() + LINGER
        while self._has_connections(shakes_until) and time.monotonic() < end:
            self._worker.notify()
            self._close_idle()
            await asyncio.sleep(POLL_PERIOD)
            if self.force_exit:
                end = min(end, time.monotonic() + LAST_WORDS)
        for task in self.server_state.tasks:
            task.cancel()

    def _has_connections(self, shakes_until: float) -> bool:
        """Are there any, or some in their TLS handshake? Those have as long as idle ones."""
        shakes = bool(shaking_hands) and time.monotonic() < shakes_until and not self.force_exit
        return shakes or bool(self.server_state.connections)

    def _close_idle(self) -> None:
        now = time.monotonic()
        linger = 0 if self.force_exit else LINGER
        for connection in list(self.server_state.connections):
            cycle: Any = connection.cycle  # type: ignore[union-attr]
            if cycle is not None and not cycle.response_complete:
                self._idle_since.pop(connection, None)
            elif now - self._idle_since.setdefault(connection, now) >= linger:
                connection.shutdown()


async def tell_until_started(server: Server, notify: Callable[[], object]) -> None:
    """Have the arbiter know that this worker lives; Uvicorn does so only once it has started.

    A worker that waits for its turn may load its model for longer than it may be silent.
    """
    while not server.started:
        notify()
        await asyncio.sleep(NOTIFY_PERIOD)


def _accept(listener: socket.socket) -> socket.socket | None:
    try:
        return listener.accept()[0]
    except OSError:
        return None
