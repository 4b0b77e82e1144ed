"""Registers the route table on a Flask app; turns its requests and replies into ours and back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flask
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import Kind, Route

logger = logging.getLogger("drum.flask")

#: user code tests endpoint names such as `model_api.ping`
BLUEPRINT = "model_api"
READ_BYTES = 64 * 1024


def register_routes(app: flask.Flask, server: PredictionServer) -> None:
    """All routes of the table, and the answers for paths and methods that are not there.

    The error handlers are registered before the extension is loaded, so that it may replace them.
    """
    blueprint = flask.Blueprint(BLUEPRINT, __name__)
    server._materialize_flask(blueprint, lambda route: _view(server, route))
    app.register_blueprint(blueprint)

    def unmatched(error: HTTPException) -> Any:
        if flask.request.routing_exception is not error:
            return error
        allowed = getattr(error, "valid_methods", None) or ()
        return to_response(server.unmatched(error.code or NotFound.code, allowed))

    app.register_error_handler(NotFound, unmatched)
    app.register_error_handler(MethodNotAllowed, unmatched)
    app.register_error_handler(
        InternalServerError, lambda error: to_response(server.internal_error())
    )


def _view(server: PredictionServer, route: Route) -> Callable[..., flask.Response]:
    def view(subpath: str = "") -> flask.Response:
        method = flask.request.method
        if method == "OPTIONS":
            return to_response(server.options(route))
        if route.paths[0].endswith("{subpath}") and not subpath:
            return to_response(server.unmatched(NotFound.code))
        body = (
            read_body(flask.request.environ, server.max_body) if route.kind is Kind.MODEL else None
        )
        return to_response(server.call(route, to_request(flask.request, body)))

    return view


def to_request(request: flask.Request, body: SpooledUploadFile | None) -> RequestAdapter:
    """Our view of a Flask request."""
    environ = request.environ
    return RequestAdapter(
        method=request.method,
        path=request.path,
        query_string=environ.get("QUERY_STRING", ""),
        pairs=EnvironHeaders(environ),
        content_type=environ.get("CONTENT_TYPE", ""),
        body=body,
    )


def read_body(environ: dict[str, Any], limit: int) -> SpooledUploadFile:
    """The request's body, read until its end or the limit, whichever comes first."""
    body = SpooledUploadFile(limit)
    length = environ.get("CONTENT_LENGTH") or ""
    if length and not (length.isascii() and length.isdigit()):
        body.cut_off()
        return body
    left = int(length) if length else None
    if left is not None and not body.declare(left):
        return body
    if left is None and not environ.get("wsgi.input_terminated"):
        return body
    try:
        for chunk in _chunks(environ["wsgi.input"], left):
            if not body.feed(chunk):
                return body
            if body.wants_spill:
                body.spill()
    except Exception:
        # each WSGI server has errors of its own for a broken body
        logger.info("cannot read the request body", exc_info=True)
        body.cut_off()
    if left is not None and body.size < left:
        body.cut_off()
    return body


def _chunks(stream: Any, left: int | None) -> Iterator[bytes]:
    while left != 0:
        chunk = stream.read(READ_BYTES if left is None else min(READ_BYTES, left))
        if not chunk:
            return
        yield chunk
        left = None if left is None else left - len(chunk)


def to_response(reply: Reply) -> flask.Response:
    """Our reply as Flask's response."""
    payload: Iterable[bytes] | bytes = reply.body if reply.buffer is None else reply.buffer
    response = flask.Response(payload, status=reply.status, headers=list(reply.headers))
    # set as it is: the framework's own way may add a charset
    response.headers["Content-Type"] = reply.content_type
    return response
