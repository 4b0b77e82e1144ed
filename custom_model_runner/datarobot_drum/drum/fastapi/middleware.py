"""The outermost ASGI wrapper: request id in, common headers out, on every answer.

Plain ASGI: Starlette's `BaseHTTPMiddleware` costs a task a request and hides context variables.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datarobot_drum.drum.fastapi.routes import header
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.response_headers import (
    FIXED_HEADERS,
    REQUEST_ID_HEADERS,
    choose_request_id,
)

FIXED = [(name.encode(), value.encode()) for name, value in FIXED_HEADERS]
IDS = [name.encode() for name in REQUEST_ID_HEADERS]


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
        sent = header(scope["headers"], b"x-request-id").decode("latin-1")
        current = choose_request_id(sent)
        request_id.set(current)
        value = current.encode("latin-1")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name, value) for name in IDS]
                message["headers"] = [*message.get("headers", ()), *own, *FIXED]
            await send(message)

        app = self._app if self._server.failure is None else self._plain
        await app(scope, receive, send_with_headers)
