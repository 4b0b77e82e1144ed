"""ASGI layers around the app; the outermost one sets ids and headers and records every request.

Plain ASGI: Starlette's `BaseHTTPMiddleware` costs a task a request and hides context variables.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datarobot_drum.drum.fastapi.otel import traced
from datarobot_drum.drum.fastapi.routes import header
from datarobot_drum.drum.observability.record import Record
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.response_headers import (
    FIXED_HEADERS,
    REQUEST_ID_HEADERS,
    choose_request_id,
)

FIXED = [(name.encode(), value.encode()) for name, value in FIXED_HEADERS]
IDS = [name.encode() for name in REQUEST_ID_HEADERS]


def setup_middlewares(server: PredictionServer, app: ASGIApp, plain: ASGIApp) -> ASGIApp:
    """All layers around the app, outermost last; `plain` answers when there is no model."""
    return RecordMiddleware(server, traced(server, app), traced(server, plain))


class RecordMiddleware:
    """Wraps the app, and the plain one that answers when there is no model."""

    def __init__(self, server: PredictionServer, app: ASGIApp, plain: ASGIApp) -> None:
        self._server = server
        self._app = app
        self._plain = plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._plain(scope, receive, send)
            return
        recorder = self._server.recorder
        record = _record(scope)
        recorder.begin(record)
        value = record.request_id.encode("latin-1")
        is_over = False

        async def send_and_record(message: Message) -> None:
            nonlocal is_over
            if message["type"] == "http.response.start":
                record.status = message["status"]
                own = [(name, value) for name in IDS]
                message["headers"] = [*message.get("headers", ()), *own, *FIXED]
            else:
                record.size += len(message.get("body", b""))
                is_over = not message.get("more_body", False)
            await send(message)

        app = self._app if self._server.failure is None else self._plain
        try:
            await app(scope, receive, send_and_record)
        finally:
            record.failed = not is_over
            recorder.end(record)


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
