"""The optional span of a whole request on the FastAPI front; FastAPI's own telemetry is off."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.values import Headers

#: What newer releases of FastAPI would do by themselves, with spans that other servers do not have.
NO_TELEMETRY: Any = MappingProxyType(
    {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
)


def traced(server: PredictionServer, app: ASGIApp) -> ASGIApp:
    """The app, inside a span for each request if operators ask for that."""
    return ServerSpanMiddleware(server, app) if server.server_spans else app


class ServerSpanMiddleware:
    """Begins a span for each request but probes; it stands inside the record of the request."""

    def __init__(self, server: PredictionServer, app: ASGIApp) -> None:
        self._app = app
        self._probes = server.probe_paths()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._probes:
            await self._app(scope, receive, send)
            return
        span = spans.ServerSpan(to_headers(scope))
        try:
            await self._app(scope, receive, send)
        finally:
            span.leave()
            span.end()


def to_headers(scope: Scope) -> Headers:
    """The headers of a request as the core sees them."""
    pairs = scope["headers"]
    return Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)
