"""Sends requests on to the inference server behind a model, streaming both ways."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.fastapi.otel import to_headers
from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.root_predictors import forward
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger("drum.fastapi")

DISCONNECT = "http.disconnect"
#: Connections to the inference server that are kept for the next request.
IDLE_CONNECTIONS = 100


class ClientLeft(Exception):
    """The connection ended before the body did; there is nobody to answer."""


class Forwarder:
    """The connections of one worker to its inference server."""

    def __init__(self, server: PredictionServer) -> None:
        self._server = server
        self._opened: httpx.AsyncHTTPTransport | None = None

    @property
    def _transport(self) -> httpx.AsyncHTTPTransport:
        # a transport, not a client: no redirects, cookies, proxies or headers of its own
        import httpx

        if self._opened is None:
            self._opened = httpx.AsyncHTTPTransport(
                verify=forward.tls_context(),
                trust_env=False,
                limits=httpx.Limits(
                    max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS
                ),
            )
        return self._opened

    async def close(self) -> None:
        """Let go of all connections."""
        if self._opened is not None:
            await self._opened.aclose()

    async def health(self, plan: forward.Plan) -> forward.Health:
        """Ask for the health of the inference server, for a few seconds at most."""
        import httpx

        try:
            async with asyncio.timeout(plan.timeout):
                response = await self._send(plan, None)
                try:
                    body = await _read_start(response, forward.HEALTH_BYTES)
                finally:
                    await response.aclose()
        except TimeoutError:
            return forward.Health.failed(httpx.ReadTimeout("too slow"), plan.server)
        except httpx.TransportError as error:
            return forward.Health.failed(error, plan.server)
        return forward.Health.answered(response.status_code, body)

    async def relay(self, scope: Scope, receive: Receive, send: Send) -> Reply | None:
        """Send a request on and its answer back; a reply when there is none to send back.

        When the client leaves, the connection to the inference server is closed.
        """
        with spans.Operation(spans.DIRECT_ACCESS, to_headers(scope)):
            return await self._relay(scope, receive, send)

    async def _relay(self, scope: Scope, receive: Receive, send: Send) -> Reply | None:
        try:
            plan = self._server.plan_forward(_incoming(scope))
            self._server.begin_forward()
        except DrumError as error:
            return self._server.error_reply(error)
        try:
            return await self._exchange(plan, RequestBody(receive, self._server.max_body), send)
        finally:
            self._server.forwards.finish()

    async def _exchange(self, plan: forward.Plan, body: RequestBody, send: Send) -> Reply | None:
        if not plan.has_body:
            body.ended.set()
        exchange = asyncio.create_task(self._pass_on(plan, body, send))
        watcher = asyncio.create_task(body.cancel_when_left(exchange))
        try:
            return await exchange
        except asyncio.CancelledError:
            if body.left:
                return None
            raise
        finally:
            watcher.cancel()

    async def _pass_on(self, plan: forward.Plan, body: RequestBody, send: Send) -> Reply | None:
        import httpx

        try:
            body.declare(plan)
            response = await self._send(plan, body)
        except ClientLeft:
            return None
        except DrumError as error:
            return self._server.error_reply(error)
        except httpx.TransportError as error:
            found = forward.failure(error, plan.server, plan.timeout)
            spans.failed(error)
            return self._server.error_reply(found)
        try:
            await _send_back(response, plan.server, send)
        except DrumError as error:
            return self._server.error_reply(error)
        except httpx.TransportError as error:
            # the server closes the connection of an answer that has no end: the client notices
            logger.warning("the answer of the %s server broke off: %r", plan.server, error)
        finally:
            await response.aclose()
        return None

    async def _send(self, plan: forward.Plan, body: RequestBody | None) -> httpx.Response:
        import httpx

        content = body.pieces() if body is not None and plan.has_body else None
        request = httpx.Request(
            plan.method,
            plan.address,
            headers=plan.headers,
            content=content,
            extensions=forward.extensions(plan),
        )
        return await self._transport.handle_async_request(request)


class RequestBody:
    """The body of a request while it comes in; it notices when the client leaves."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        # counts and refuses; the bytes themselves go on at once
        self._counter = SpooledUploadFile(limit)
        self.ended = asyncio.Event()
        self.left = False

    def declare(self, plan: forward.Plan) -> None:
        """Refuse a body that says itself that it is too large, before anything is sent on."""
        if plan.length is not None:
            self._counter.declare(plan.length)
            self._counter.check()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The pieces; PayloadTooLarge past the limit, ClientLeft when the rest never comes."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == DISCONNECT:
                self.left = True
                raise ClientLeft
            piece = message.get("body", b"")
            self._counter.count(piece)
            if piece:
                yield piece
            more = message.get("more_body", False)
        self.ended.set()

    async def cancel_when_left(self, exchange: asyncio.Task[Any]) -> None:
        """After the body, wait for the end of the connection and cancel `exchange` then."""
        await self.ended.wait()
        while (await self._receive())["type"] != DISCONNECT:
            continue
        self.left = True
        exchange.cancel()


async def _read_start(response: httpx.Response, limit: int) -> bytes:
    body = b""
    async for piece in response.aiter_raw():
        body += piece
        if len(body) >= limit:
            break
    return body[:limit]


async def _send_back(response: httpx.Response, server: str, send: Send) -> None:
    status = response.status_code
    headers = forward.reply_headers(server, status, response.headers.raw)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    async for piece in response.aiter_raw():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _incoming(scope: Scope) -> forward.Incoming:
    raw_path = scope.get("raw_path") or forward.quoted(scope["path"].encode())
    return forward.Incoming(scope["method"], raw_path, scope["query_string"], scope["headers"])
