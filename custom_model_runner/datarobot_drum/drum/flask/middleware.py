"""The outermost WSGI wrapper: request id in, common headers out, and a record of every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from datarobot_drum.drum.flask.clients import connection_reset
from datarobot_drum.drum.flask.otel import traced
from datarobot_drum.drum.observability.record import Record, Recorder
from datarobot_drum.drum.root_predictors.clients import ClientLeft
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.response_headers import (
    choose_request_id,
    response_headers,
)

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def setup_middlewares(server: PredictionServer, app: WsgiApp, plain: WsgiApp) -> WsgiApp:
    """All layers around the app, outermost last; `plain` answers when there is no model."""
    return RecordApp(server, traced(server, app), traced(server, plain))


class RecordApp:
    """Wraps the app, and the plain one that answers when there is no model."""

    def __init__(self, server: PredictionServer, app: WsgiApp, plain: WsgiApp) -> None:
        self._server = server
        self._app = app
        self._plain = plain

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        recorder = self._server.recorder
        record = _record(environ)
        recorder.begin(record)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            record.status = int(status[:3])
            record.matched(_rule(environ))
            more = response_headers(record.request_id)
            return start_response(status, [*headers, *more], exc_info)

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


def _rule(environ: dict[str, Any]) -> str | None:
    """The template of the matched path: Werkzeug leaves its request there until it is done."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return getattr(rule, "rule", None)


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
