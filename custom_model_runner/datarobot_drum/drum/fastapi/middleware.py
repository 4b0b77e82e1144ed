"""ASGI layers around the app; the outermost one sets ids and headers and records every request.

Plain ASGI: Starlette's `BaseHTTPMiddleware` costs a task a request and hides context variables.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.fastapi.cors import CorsMiddleware
from datarobot_drum.drum.fastapi.otel import traced
from datarobot_drum.drum.fastapi.routes import header, send_early, send_reply
from datarobot_drum.drum.observability.record import Record, current_record
from datarobot_drum.drum.root_predictors import rate_limit
from datarobot_drum.drum.root_predictors.deadlines import NOT_RECEIVED, Deadline
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.root_predictors.proxies import TrustedProxies
from datarobot_drum.drum.root_predictors.rate_limit import RateLimit
from datarobot_drum.drum.root_predictors.response_headers import (
    FIXED_HEADERS,
    REQUEST_ID_HEADERS,
    choose_request_id,
)
from datarobot_drum.drum.root_predictors.routes import Kind
from datarobot_drum.drum.root_predictors.stdout_flusher import StdoutFlusherMiddleware
from datarobot_drum.drum.settings import Settings

FIXED = [((name.encode(), value.encode()), name.lower().encode()) for name, value in FIXED_HEADERS]
CLOSE = (b"connection", b"close")
IDS = [name.encode() for name in REQUEST_ID_HEADERS]


def setup_middlewares(
    server: PredictionServer, settings: Settings, app: ASGIApp, plain: ASGIApp
) -> ASGIApp:
    """All layers around the app, outermost last; `plain` answers when there is no model."""
    limit = rate_limit.from_settings(settings)

    def layered(app: ASGIApp) -> ASGIApp:
        if limit is not None:
            app = RateLimitMiddleware(server, limit, app)
        app = CorsMiddleware(settings, app) if settings.cors_enabled else app
        return StdoutFlusherMiddleware(app, server.flusher)

    proxies = TrustedProxies(settings.trusted_proxies)
    return RecordMiddleware(
        server,
        proxies,
        traced(server, layered(_limited(server, app))),
        traced(server, layered(plain)),
    )


def _limited(server: PredictionServer, app: ASGIApp) -> ASGIApp:
    return RequestTimeoutMiddleware(server, BackPressureMiddleware(server, app))


class RateLimitMiddleware:
    """Answers 429 for clients that send too much."""

    def __init__(self, server: PredictionServer, limit: RateLimit, app: ASGIApp) -> None:
        self._server = server
        self._limit = limit
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            check = functools.partial(rate_limit.refused, self._server, self._limit, scope["path"])
            # a storage that is shared is on the network
            reply = await asyncio.to_thread(check) if self._limit.is_shared else check()
            if reply is not None:
                await send_reply(reply, receive, send)
                return
        await self._app(scope, receive, send)


class RecordMiddleware:
    """Wraps the app, and the plain one that answers when there is no model."""

    def __init__(
        self, server: PredictionServer, proxies: TrustedProxies, app: ASGIApp, plain: ASGIApp
    ) -> None:
        self._server = server
        self._proxies = proxies
        self._app = app
        self._plain = plain

    @property
    def server(self) -> PredictionServer:
        """The server whose requests are recorded."""
        return self._server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._plain(scope, receive, send)
            return
        recorder = self._server.recorder
        _apply_proxies(scope, self._proxies)
        if scope["path"].startswith("//"):
            # one path for all layers, as Werkzeug has it
            scope["path"] = "/" + scope["path"].lstrip("/")
        record = _record(scope)
        recorder.begin(record)
        value = record.request_id.encode("latin-1")
        is_over = False

        async def send_and_record(message: Message) -> None:
            nonlocal is_over
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = list(message.get("headers", ()))
                message["headers"] = headers + _missing(headers)
                message["headers"] += [(name, value) for name in IDS]
                if self._server.state is State.DRAINING:
                    # the client's next request is for another worker or server
                    message["headers"].append(CLOSE)
            else:
                record.size += len(message.get("body", b""))
                is_over = not message.get("more_body", False)
            await send(message)

        app = self._app if self._server.failure is None else self._plain
        try:
            await app(scope, receive, send_and_record)
        finally:
            record.failed = not is_over
            record.matched(getattr(scope.get("route"), "path", None))
            recorder.end(record)


class RequestTimeoutMiddleware:
    """Gives every request its deadline, and 504 when nothing of its answer was sent by then.

    The upload of the body counts. A request that waits for model code keeps its deadline itself;
    the slot stays taken until that code returns. Streams that have begun are not cut. Direct
    access has the limits of its inference server.
    """

    def __init__(self, server: PredictionServer, app: ASGIApp) -> None:
        self._server = server
        self._app = app
        self._untimed = tuple(
            path.removesuffix("{subpath}")
            for path, route in server.routes()
            if route.kind is Kind.FORWARD
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(self._untimed):
            await self._app(scope, receive, send)
            return
        cut = Cut(self._server.new_deadline(), asyncio.current_task(), current_record.get())
        timer = asyncio.get_running_loop().call_later(cut.deadline.limit, cut)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not cut.is_done or cut.task.uncancel():
                raise
            self._server.gate.exceed()
            error = cut.deadline.error(NOT_RECEIVED)
            await send_early(self._server.error_reply(error), scope, receive, send)
        finally:
            timer.cancel()


class Cut:
    """Cuts off the request of a task, called when its deadline has passed."""

    __slots__ = ("_record", "deadline", "is_done", "task")

    def __init__(
        self, deadline: Deadline, task: asyncio.Task[Any] | None, record: Record | None
    ) -> None:
        assert task is not None and record is not None  # noqa: S101  # an app is called in a task
        self.deadline = deadline
        self.task = task
        self._record = record
        self.is_done = False

    def __call__(self) -> None:
        """Cancel the task, unless its answer has begun or it keeps the deadline itself."""
        if not self.deadline.is_kept and not self._record.status:
            self.is_done = True
            self.task.cancel()


class BackPressureMiddleware:
    """Refuses what no prediction thread could take before its body is read.

    Routes without model code always pass. The line may fill while a body is read: the gate
    decides again then.
    """

    def __init__(self, server: PredictionServer, app: ASGIApp) -> None:
        self._server = server
        self._app = app
        self._routes = {path: route for path, route in server.routes() if route.kind is Kind.MODEL}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"])
        if route is not None and scope["method"] in route.methods:
            try:
                self._server.check_line()
            except DrumError as error:
                self._server.note(route)
                await send_early(self._server.error_reply(error), scope, receive, send)
                return
        await self._app(scope, receive, send)


def _missing(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Our headers but for those that an extension has set; two of a name would contradict."""
    there = {name.lower() for name, _ in headers}
    return [pair for pair, name in FIXED if name not in there]


def _apply_proxies(scope: Scope, proxies: TrustedProxies) -> None:
    """Put the client and the scheme that trusted proxies tell in place of the connection's."""
    peer = scope.get("client")
    if not peer or not proxies.trusts(peer[0]):
        return
    headers = scope["headers"]
    client = proxies.client(peer[0], header(headers, b"x-forwarded-for").decode("latin-1"))
    if client != peer[0]:
        scope["client"] = (client, 0)
    told = header(headers, b"x-forwarded-proto").decode("latin-1")
    scope["scheme"] = proxies.scheme(peer[0], scope["scheme"], told)


def _record(scope: Scope) -> Record:
    headers = scope["headers"]
    query = scope["query_string"]
    target = scope.get("raw_path") or scope["path"].encode()
    client = scope.get("client")
    return Record(
        choose_request_id(header(headers, b"x-request-id").decode("latin-1")),
        scope["method"],
        (target + b"?" + query if query else target).decode("latin-1"),
        client=client[0] if client else "",
        protocol=f"HTTP/{scope['http_version']}",
        referer=header(headers, b"referer").decode("latin-1"),
        agent=header(headers, b"user-agent").decode("latin-1"),
    )
