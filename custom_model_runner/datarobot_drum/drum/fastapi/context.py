"""One FastAPI worker: its lifecycle, and how its event loop waits for the core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from datarobot_drum.drum import noticeboard, worker
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.fastapi.forwarding import DISCONNECT, ClientLeft, Forwarder
from datarobot_drum.drum.root_predictors.clients import WATCH_AFTER
from datarobot_drum.drum.root_predictors.deadlines import current_deadline
from datarobot_drum.drum.root_predictors.execution import Job
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import Kind, Route
from datarobot_drum.drum.settings import ServeSpec, Settings

#: Seconds between two looks at what the arbiter says.
POLL_PERIOD = 0.05


class Alarm:
    """A future that can be set from any thread, by a job that is done or by a timer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def ring(self) -> None:
        """Wake the waiter; from any thread, also after the loop was closed."""
        try:
            self._loop.call_soon_threadsafe(self._set)
        except RuntimeError:
            # the worker has stopped: nobody waits any more
            return

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Return when it rang, or after `seconds`; it can then be waited for again."""
        timer = self._loop.call_later(seconds, self._set)
        try:
            await self._future
        finally:
            timer.cancel()
        self._future = self._loop.create_future()


class FastAPIWorkerCtx(worker.ServerCtx):
    """The lifecycle of a worker whose front is an event loop; model code never runs on it."""

    def __init__(self, server: PredictionServer, spec: ServeSpec, settings: Settings) -> None:
        super().__init__(server, spec, settings)
        self.forwarder = Forwarder(server)

    def begin(self, give_up: Callable[[int], None]) -> None:
        """Start loading the model on the prediction thread; returns at once."""
        self._loop = asyncio.get_running_loop()
        worker.start(self, give_up)

    async def wait_for_turn(self) -> None:
        """Return when this worker may listen: others do not serve, or it can itself."""
        board = noticeboard.own()
        while board.must_wait and not board.ready and not self.leaving:  # noqa: ASYNC110  # memory
            await asyncio.sleep(POLL_PERIOD)

    async def call(self, route: Route, request: RequestAdapter, receive: Receive) -> Reply:
        """Answer one request without blocking the event loop.

        Raises ClientLeft when the client leaves while it waits.
        """
        if route.kind is Kind.MODEL:
            return await self._call_model(route, request, receive)
        if route.kind is Kind.STATUS:
            await self._wait_until_loaded()
        check = self.server.health_check(route)
        if check is not None:
            return self.server.mirror(route, await self.forwarder.health(check))
        if route.kind is Kind.FIGURES:
            return await asyncio.to_thread(self.server.handle, route, request)
        return self.server.handle(route, request)

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> Reply | None:
        """Send a request on to the inference server, once the model is there.

        The answer goes to `send` as it comes; a reply is returned where there is none.
        """
        await self._wait_until_loaded()
        return await self.forwarder.relay(scope, receive, send)

    async def _call_model(self, route: Route, request: RequestAdapter, receive: Receive) -> Reply:
        alarm = Alarm()
        try:
            job = self.server.submit(route, request, alarm.ring)
        except DrumError as error:
            return self.server.error_reply(error)
        deadline = current_deadline.get()
        if deadline is not None:
            # the job knows better than the middleware what to say at its end
            deadline.is_kept = True
        try:
            await alarm.wait(min(job.patience(), WATCH_AFTER))
            return job.reply or await _wait_long(job, alarm, receive)
        except DrumError as error:
            return self.server.error_reply(error)
        except (asyncio.CancelledError, ClientLeft):
            job.abandon()
            raise

    async def _wait_until_loaded(self) -> None:
        alarm = Alarm()
        self.server.when_loaded(alarm.ring)
        await alarm.wait(self.server.limits.queue_timeout)


async def _wait_long(job: Job, alarm: Alarm, receive: Receive) -> Reply:
    """The reply of a job that takes its time; ClientLeft when the client does not wait for it."""
    watcher = asyncio.create_task(_disconnected(receive, alarm))
    try:
        while job.reply is None:
            if watcher.done():
                raise ClientLeft
            await alarm.wait(job.overdue())
        return job.reply
    finally:
        watcher.cancel()


async def _disconnected(receive: Receive, alarm: Alarm) -> None:
    while (await receive())["type"] != DISCONNECT:
        continue
    alarm.ring()
