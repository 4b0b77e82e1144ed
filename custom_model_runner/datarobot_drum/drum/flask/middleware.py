"""The outermost WSGI wrapper: request id in, common headers out, and a record of every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.flask.clients import connection_reset
from datarobot_drum.drum.flask.otel import traced
from datarobot_drum.drum.flask.routes import to_response
from datarobot_drum.drum.observability.record import Record, Recorder
from datarobot_drum.drum.root_predictors import rate_limit
from datarobot_drum.drum.root_predictors.clients import ClientLeft
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.proxies import TrustedProxies
from datarobot_drum.drum.root_predictors.rate_limit import RateLimit
from datarobot_drum.drum.root_predictors.response_headers import (
    choose_request_id,
    response_headers,
)
from datarobot_drum.drum.root_predictors.routes import Kind
from datarobot_drum.drum.root_predictors.stdout_flusher import StdoutFlusherApp
from datarobot_drum.drum.settings import Settings

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def setup_middlewares(
    server: PredictionServer, settings: Settings, app: WsgiApp, plain: WsgiApp
) -> WsgiApp:
    """All layers around the app, outermost last; `plain` answers when there is no model."""
    limit = rate_limit.from_settings(settings)

    def layered(app: WsgiApp) -> WsgiApp:
        if limit is not None:
            app = RateLimitApp(server, limit, app)
        app = cors_app(settings, app) if settings.cors_enabled else app
        return StdoutFlusherApp(app, server.flusher)

    proxies = TrustedProxies(settings.trusted_proxies)
    limited = layered(BackPressureApp(server, app))
    return RecordApp(server, proxies, traced(server, limited), traced(server, layered(plain)))


def cors_app(settings: Settings, app: WsgiApp) -> WsgiApp:
    """The layer of CORS, imported when it is needed only."""
    from datarobot_drum.drum.flask.cors import CorsApp

    return CorsApp(settings, app)


class RateLimitApp:
    """Answers 429 for clients that send too much."""

    def __init__(self, server: PredictionServer, limit: RateLimit, app: WsgiApp) -> None:
        self._server = server
        self._limit = limit
        self._app = app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        reply = rate_limit.refused(self._server, self._limit, _path(environ))
        if reply is None:
            return self._app(environ, start_response)
        return to_response(reply)(environ, start_response)


class BackPressureApp:
    """Refuses what no prediction thread could take before its body is read.

    Routes without model code always pass. The line may fill while a body is read: the gate
    decides again then.
    """

    def __init__(self, server: PredictionServer, app: WsgiApp) -> None:
        self._server = server
        self._app = app
        self._routes = {path: route for path, route in server.routes() if route.kind is Kind.MODEL}

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        route = self._routes.get(_path(environ))
        if route is not None and environ["REQUEST_METHOD"] in route.methods:
            try:
                self._server.check_line()
            except DrumError as error:
                self._server.note(route)
                return to_response(self._server.error_reply(error))(environ, start_response)
        return self._app(environ, start_response)


class RecordApp:
    """Wraps the app, and the plain one that answers when there is no model."""

    def __init__(
        self, server: PredictionServer, proxies: TrustedProxies, app: WsgiApp, plain: WsgiApp
    ) -> None:
        self._server = server
        self._proxies = proxies
        self._app = app
        self._plain = plain

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        recorder = self._server.recorder
        _apply_proxies(environ, self._proxies)
        if environ["PATH_INFO"].startswith("//"):
            # Werkzeug takes them for one; layers must not see another path than the app
            environ["PATH_INFO"] = "/" + environ["PATH_INFO"].lstrip("/")
        record = _record(environ)
        recorder.begin(record)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            record.status = int(status[:3])
            record.matched(_rule(environ))
            there = {name.lower() for name, _ in headers}
            own = response_headers(record.request_id, there)
            return start_response(status, [*headers, *own], exc_info)

        app = self._app if self._server.failure is None else self._plain
        self._server.new_deadline()
        try:
            return RecordedBody(app(environ, start), record, recorder)
        except BaseException as error:
            record.failed = True
            recorder.end(record)
            if isinstance(error, ClientLeft):
                raise connection_reset() from None
            raise


class RecordedBody:
    """Counts the bytes of an answer; its end, or the server's closing it, ends the record."""

    def __init__(self, body: Iterable[bytes], record: Record, recorder: Recorder) -> None:
        self._body = body
        self._pieces = iter(body)
        self._record = record
        self._recorder: Recorder | None = recorder
        self._is_over = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = next(self._pieces)
        except StopIteration:
            self._is_over = True
            raise
        self._record.size += len(piece)
        return piece

    def close(self) -> None:
        """Called once by the WSGI server at the end, whatever that is."""
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            recorder, self._recorder = self._recorder, None
            if recorder is not None:
                self._record.failed = not self._is_over
                recorder.end(self._record)


def _path(environ: dict[str, Any]) -> str:
    path: str = environ["PATH_INFO"]
    return path.encode("latin-1").decode("utf-8", "replace")


def _rule(environ: dict[str, Any]) -> str | None:
    """The template of the matched path: Werkzeug leaves its request there until it is done."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return getattr(rule, "rule", None)


def _apply_proxies(environ: dict[str, Any], proxies: TrustedProxies) -> None:
    """Put the client and the scheme that trusted proxies tell in place of the connection's."""
    peer = environ.get("REMOTE_ADDR") or ""
    if not proxies.trusts(peer):
        return
    environ["REMOTE_ADDR"] = proxies.client(peer, environ.get("HTTP_X_FORWARDED_FOR", ""))
    told = environ.get("HTTP_X_FORWARDED_PROTO", "")
    environ["wsgi.url_scheme"] = proxies.scheme(peer, environ["wsgi.url_scheme"], told)


def _record(environ: dict[str, Any]) -> Record:
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
    return Record(
        choose_request_id(environ.get("HTTP_X_REQUEST_ID")),
        environ["REQUEST_METHOD"],
        target,
        client=environ.get("REMOTE_ADDR") or "",
        protocol=environ.get("SERVER_PROTOCOL") or "",
        referer=environ.get("HTTP_REFERER") or "",
        agent=environ.get("HTTP_USER_AGENT") or "",
    )
