"""The outermost WSGI wrapper: request id in, common headers out, on every answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.response_headers import (
    choose_request_id,
    response_headers,
)

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class RecordApp:
    """Wraps the app, and the plain one that answers when there is no model."""

    def __init__(self, server: PredictionServer, app: WsgiApp, plain: WsgiApp) -> None:
        self._server = server
        self._app = app
        self._plain = plain

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        current = choose_request_id(environ.get("HTTP_X_REQUEST_ID"))
        request_id.set(current)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *response_headers(current)], exc_info)

        app = self._app if self._server.failure is None else self._plain
        return app(environ, start)
