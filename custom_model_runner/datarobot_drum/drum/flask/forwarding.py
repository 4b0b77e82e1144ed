"""Sends requests on to the inference server behind a model, streaming both ways."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import flask
from werkzeug.datastructures import EnvironHeaders, Headers

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.flask.bodies import chunks
from datarobot_drum.drum.flask.clients import ConnectionWatch, WsgiClient, connection_reset
from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.root_predictors import forward
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.clients import ClientLeft
from datarobot_drum.drum.root_predictors.deadlines import current_deadline
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply

if TYPE_CHECKING:
    import httpx

    from datarobot_drum.drum.predictors.inference.connections import Exchange

logger = logging.getLogger("drum.flask")

#: Connections to the inference server that are kept for the next request.
IDLE_CONNECTIONS = 100


class RawResponse(flask.Response):
    """An answer whose headers go out as they are."""

    default_mimetype = None

    def get_wsgi_headers(self, environ: Any) -> Headers:
        """The headers, unchanged."""
        return Headers(self.headers)


class Forwarder:
    """The connections of one worker to its inference server; used by many threads at once."""

    def __init__(self, server: PredictionServer, watch: ConnectionWatch) -> None:
        self._server = server
        self._watch = watch
        self._opening = threading.Lock()
        self._opened: httpx.HTTPTransport | None = None

    @property
    def _transport(self) -> httpx.HTTPTransport:
        # a transport, not a client: no redirects, cookies, proxies or headers of its own
        from datarobot_drum.drum.predictors.inference.connections import InterruptibleTransport

        with self._opening:
            if self._opened is None:
                self._server.when_terminated(self._close)
                self._opened = InterruptibleTransport(forward.tls_context(), IDLE_CONNECTIONS)
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def health(self, plan: forward.Plan) -> forward.Health:
        """Ask for the health of the inference server, for a few seconds at most."""
        import httpx

        end = time.monotonic() + plan.timeout
        try:
            response = self._send(plan, None)
            try:
                body = _read_start(response, forward.HEALTH_BYTES, end)
            finally:
                response.close()
        except httpx.TransportError as error:
            return forward.Health.failed(error, plan.server)
        return forward.Health.answered(response.status_code, body)

    def relay(self, environ: dict[str, Any]) -> RawResponse | Reply:
        """Send a request on; the answer, which is read while it is sent back, or a reply.

        Raises ClientLeft when the client leaves before the head of the answer.
        """
        with spans.Operation(spans.DIRECT_ACCESS, EnvironHeaders(environ)) as span:
            answer = self._relay(environ)
            if isinstance(answer, RawResponse):
                answer.call_on_close(span.keep().end)
            return answer

    def _relay(self, environ: dict[str, Any]) -> RawResponse | Reply:
        import httpx

        from datarobot_drum.drum.predictors.inference.connections import Exchange

        # it has the limits of its inference server
        current_deadline.set(None)
        try:
            plan = self._server.plan_forward(_incoming(environ))
            self._server.begin_forward()
        except DrumError as error:
            return self._server.error_reply(error)
        answer: RawResponse | None = None
        client, exchange = WsgiClient(self._watch, environ), Exchange()
        try:
            body = RequestBody(environ, self._server.max_body)
            body.declare(plan)
            with client.watch(exchange.interrupt):
                response = self._send(plan, body, exchange)
            answer = self._answer(response, plan, Reading(exchange, client))
        except DrumError as error:
            return self._server.error_reply(error)
        except httpx.TransportError as error:
            if exchange.is_interrupted:
                raise ClientLeft from error
            found = forward.failure(error, plan.server, plan.timeout)
            spans.failed(error)
            return self._server.error_reply(found)
        finally:
            if answer is None:
                exchange.end()
                self._server.forwards.finish()
        return answer

    def _answer(
        self, response: httpx.Response, plan: forward.Plan, reading: Reading
    ) -> RawResponse:
        status = response.status_code
        try:
            kept = forward.reply_headers(plan.server, status, response.headers.raw)
        except DrumError:
            response.close()
            raise
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in kept]
        pieces = AnswerBody(response, plan.server, self._server, reading)
        return RawResponse(pieces, status, headers)

    def _send(
        self, plan: forward.Plan, body: RequestBody | None, exchange: Exchange | None = None
    ) -> httpx.Response:
        import httpx

        from datarobot_drum.drum.predictors.inference.connections import current_exchange

        current_exchange.set(exchange)
        content = body.pieces() if body is not None and plan.has_body else None
        request = httpx.Request(
            plan.method,
            plan.address,
            headers=plan.headers,
            content=content,
            extensions=forward.extensions(plan),
        )
        return self._transport.handle_request(request)


class RequestBody:
    """The body of a request while it comes in."""

    def __init__(self, environ: dict[str, Any], limit: int) -> None:
        self._environ = environ
        # counts and refuses; the bytes themselves go on at once
        self._counter = SpooledUploadFile(limit)
        self._length: int | None = None

    def declare(self, plan: forward.Plan) -> None:
        """Refuse a body that says itself that it is too large, before anything is sent on."""
        self._length = plan.length
        if plan.length is not None:
            self._counter.declare(plan.length)
            self._counter.check()

    def pieces(self) -> Iterator[bytes]:
        """The pieces; PayloadTooLarge past the limit, MalformedRequest when the rest is missing."""
        left = self._length
        try:
            for piece in chunks(self._environ["wsgi.input"], self._length):
                self._counter.count(piece)
                left = None if left is None else left - len(piece)
                yield piece
        except (DrumError, GeneratorExit):
            raise
        except Exception:
            # each WSGI server has errors of its own for a broken body
            logger.info("cannot read the request body", exc_info=True)
            self._counter.cut_off()
        if left:
            self._counter.cut_off()
        self._counter.check()


@dataclass(frozen=True)
class Reading:
    """An answer that is read, and the client that it is for."""

    exchange: Exchange
    client: WsgiClient


class AnswerBody:
    """The body of an answer; closing it closes the connection if there is more to come.

    It ends with an error when the client leaves.
    """

    def __init__(
        self, response: httpx.Response, name: str, server: PredictionServer, reading: Reading
    ) -> None:
        self._exchange = reading.exchange
        self._watching = ExitStack()
        self._watching.enter_context(reading.client.watch(reading.exchange.interrupt))
        self._response = response
        self._pieces = response.iter_raw()
        self._name = name
        self._server = server
        self._closed = threading.Lock()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        import httpx

        try:
            return next(self._pieces)
        except httpx.TransportError as error:
            if self._exchange.is_interrupted:
                raise connection_reset() from error
            # the server cuts the connection of an answer that fails: the client notices
            logger.warning("the answer of the %s server broke off: %r", self._name, error)
            raise

    def close(self) -> None:
        """Called by the WSGI server at the end of the answer, and when the client has left."""
        if self._closed.acquire(blocking=False):
            self._watching.close()
            self._exchange.end()
            self._server.forwards.finish()
            self._response.close()


def _read_start(response: httpx.Response, limit: int, end: float) -> bytes:
    import httpx

    body = b""
    for piece in response.iter_raw():
        body += piece
        if time.monotonic() > end:
            # each piece came in time
            raise httpx.ReadTimeout("too slow")
        if len(body) >= limit:
            break
    return body[:limit]


def _incoming(environ: dict[str, Any]) -> forward.Incoming:
    headers = (
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in EnvironHeaders(environ)
        if value or name not in ("Content-Type", "Content-Length")
    )
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    return forward.Incoming(environ["REQUEST_METHOD"], _raw_path(environ), query, headers)


def _raw_path(environ: dict[str, Any]) -> bytes:
    """The path as it was sent: both servers tell it, the standard has only the decoded one."""
    target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if not target:
        return forward.quoted((environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1"))
    path = target if target.startswith("/") else urlsplit(target).path
    return path.partition("?")[0].encode("latin-1")
