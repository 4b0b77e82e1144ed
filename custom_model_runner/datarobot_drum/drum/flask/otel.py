"""The optional span of a whole request on the Flask front."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.datastructures import EnvironHeaders
from werkzeug.wsgi import ClosingIterator

from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def traced(server: PredictionServer, app: WsgiApp) -> WsgiApp:
    """The app, inside a span for each request if operators ask for that."""
    return ServerSpanApp(server, app) if server.server_spans else app


class ServerSpanApp:
    """Begins a span for each request but probes; it stands inside the record of the request."""

    def __init__(self, server: PredictionServer, app: WsgiApp) -> None:
        self._app = app
        self._probes = server.probe_paths()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] in self._probes:
            return self._app(environ, start_response)
        span = spans.ServerSpan(EnvironHeaders(environ))
        try:
            # the span ends with the body
            return ClosingIterator(self._app(environ, start_response), [span.end])
        except BaseException:
            span.end()
            raise
        finally:
            span.leave()
