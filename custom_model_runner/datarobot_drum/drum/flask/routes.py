"""Registers the route table on a Flask app; turns its requests and replies into ours and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import flask
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from datarobot_drum.drum.errors import DeadlineExceeded, RefusedRequest
from datarobot_drum.drum.flask.bodies import read_body
from datarobot_drum.drum.flask.clients import ConnectionWatch, WatchedStream, WsgiClient
from datarobot_drum.drum.flask.forwarding import Forwarder
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import Kind, Route

#: user code tests endpoint names such as `model_api.ping`
BLUEPRINT = "model_api"


def register_routes(app: flask.Flask, server: PredictionServer) -> None:
    """All routes of the table, and the answers for paths and methods that are not there.

    The error handlers are registered before the extension is loaded, so that it may replace them.
    """
    blueprint = flask.Blueprint(BLUEPRINT, __name__)
    watch = ConnectionWatch()
    forwarder = Forwarder(server, watch)
    server._materialize_flask(blueprint, lambda route: _view(server, forwarder, watch, route))
    app.register_blueprint(blueprint)

    def unmatched(error: HTTPException) -> Any:
        if flask.request.routing_exception is not error:
            return error
        route = server.route_at(flask.request.path)
        if route is not None:
            # it is not for this method
            server.note(route)
        allowed = getattr(error, "valid_methods", None) or ()
        return to_response(server.unmatched(error.code or NotFound.code, allowed))

    app.register_error_handler(NotFound, unmatched)
    app.register_error_handler(MethodNotAllowed, unmatched)

    def too_late(error: DeadlineExceeded) -> Any:
        # an extension was reading the body
        server.gate.exceed()
        return to_response(server.error_reply(error))

    app.register_error_handler(DeadlineExceeded, too_late)
    app.register_error_handler(RefusedRequest, lambda error: to_response(server.error_reply(error)))
    app.register_error_handler(
        InternalServerError, lambda error: to_response(server.internal_error())
    )


def _view(
    server: PredictionServer, forwarder: Forwarder, watch: ConnectionWatch, route: Route
) -> Callable[..., flask.Response]:
    def view(subpath: str = "") -> flask.Response:
        server.note(route)
        method = flask.request.method
        if method == "OPTIONS":
            return to_response(server.options(route))
        if route.paths[0].endswith("{subpath}") and not subpath:
            return to_response(server.unmatched(NotFound.code))
        environ = flask.request.environ
        if route.kind in (Kind.STATUS, Kind.FORWARD):
            server.wait_until_loaded(server.limits.queue_timeout)
        if route.kind is Kind.FORWARD:
            answer = forwarder.relay(environ)
            return to_response(answer) if isinstance(answer, Reply) else answer
        check = server.health_check(route)
        if check is not None:
            return to_response(server.mirror(route, forwarder.health(check)))
        if route.kind is not Kind.MODEL:
            return to_response(server.call(route, to_request(flask.request, None)))
        return _model_response(server, route, WsgiClient(watch, environ))

    return view


def _model_response(server: PredictionServer, route: Route, client: WsgiClient) -> flask.Response:
    body = read_body(flask.request.environ, server)
    reply = server.call(route, to_request(flask.request, body), client)
    response = to_response(reply)
    if reply.buffer is not None:
        response.response = WatchedStream(reply.buffer, client)
    return response


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


def to_response(reply: Reply) -> flask.Response:
    """Our reply as Flask's response."""
    payload: Iterable[bytes] | bytes = reply.body if reply.buffer is None else reply.buffer
    response = flask.Response(payload, status=reply.status, headers=list(reply.headers))
    # set as it is: the framework's own way may add a charset
    response.headers["Content-Type"] = reply.content_type
    return response
