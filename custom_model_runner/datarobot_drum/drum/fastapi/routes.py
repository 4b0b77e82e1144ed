"""Registers the route table on a FastAPI router; turns ASGI messages into ours and back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from datarobot_drum.drum.errors import MethodNotAllowed, NotFound, RefusedRequest
from datarobot_drum.drum.fastapi.context import Alarm, FastAPIWorkerCtx
from datarobot_drum.drum.fastapi.forwarding import DISCONNECT, ClientLeft
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import Kind, Route
from datarobot_drum.drum.root_predictors.streams import StreamBuffer

#: So much of a body that nobody reads is skipped; for more the connection is closed.
SKIPPED_BYTES = 64 * 1024
#: Seconds that a client which still sends its body has to read the answer.
LINGER = 2.0


class Endpoint:
    """The ASGI app of one route."""

    def __init__(self, ctx: FastAPIWorkerCtx, route: Route) -> None:
        self._ctx = ctx
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._ctx.server.note(self._route)
        try:
            reply = self._refused(scope) or await self._answer(scope, receive, send)
        except ClientLeft:
            return
        if reply is not None:
            await send_reply(reply, receive, send)

    def _refused(self, scope: Scope) -> Reply | None:
        route, server, method = self._route, self._ctx.server, scope["method"]
        if method not in route.methods:
            if method == "OPTIONS":
                return server.options(route)
            if method not in route.allowed:
                return server.unmatched(MethodNotAllowed.status, route.allowed)
        if scope.get("path_params") == {"subpath": ""}:
            return server.unmatched(NotFound.status)
        return None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Reply | None:
        route = self._route
        if route.kind is Kind.FORWARD:
            return await self._ctx.forward(scope, receive, send)
        has_body = route.kind is Kind.MODEL
        body = await read_body(scope, receive, self._ctx.server) if has_body else None
        reply = await self._ctx.call(route, to_request(scope, body), receive)
        if body is not None and body.is_refused:
            await send_early(reply, scope, receive, send)
            return None
        return reply


class Fallback:
    """The ASGI app of paths that are not there; an extension's own 404 handler goes first."""

    def __init__(self, ctx: FastAPIWorkerCtx) -> None:
        self._ctx = ctx

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.exceptions import HTTPException

        handlers = scope["app"].exception_handlers
        if NotFound.status in handlers:
            raise HTTPException(NotFound.status)
        await send_reply(self._ctx.server.unmatched(NotFound.status), receive, send)


def register_routes(router: Any, ctx: FastAPIWorkerCtx) -> None:
    """All routes of the table."""
    ctx.server._materialize_fastapi(router, lambda route: Endpoint(ctx, route))


def to_request(scope: Scope, body: SpooledUploadFile | None) -> RequestAdapter:
    """Our view of an ASGI request; most headers are only decoded if somebody asks."""
    headers = scope["headers"]
    return RequestAdapter(
        method=scope["method"],
        path=scope["path"],
        query_string=scope["query_string"].decode("latin-1"),
        pairs=((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers),
        content_type=header(headers, b"content-type").decode("latin-1"),
        body=body,
    )


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The header of that lower-case name, or nothing; repeated ones are joined, as in WSGI."""
    return b",".join([value for key, value in headers if key == name])


async def read_body(scope: Scope, receive: Receive, server: PredictionServer) -> SpooledUploadFile:
    """The request's body, read until its end or a limit, whichever comes first."""
    body = SpooledUploadFile(server.max_body, gate=server.gate)
    length = header(scope["headers"], b"content-length")
    if length.isdigit() and not body.declare(int(length)):
        return body
    try:
        await _feed(body, receive)
    except (ClientLeft, asyncio.CancelledError):
        body.close()
        raise
    return body


async def _feed(body: SpooledUploadFile, receive: Receive) -> None:
    more = True
    while more:
        try:
            message = await receive()
        except RefusedRequest:
            body.close()
            raise
        if message["type"] == DISCONNECT:
            raise ClientLeft
        chunk = message.get("body", b"")
        if chunk and not body.feed(chunk):
            return
        if body.wants_spill:
            await asyncio.to_thread(body.spill)
        more = message.get("more_body", False)


async def send_reply(reply: Reply, receive: Receive, send: Send) -> None:
    """Our reply as ASGI messages."""
    await send(_start(reply))
    if reply.buffer is None:
        await send({"type": "http.response.body", "body": reply.body})
    else:
        await _send_stream(reply.buffer, receive, send)


async def send_early(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request whose body was not read to its end.

    A small rest is skipped by the server. For more the connection is closed, but not before the
    client had time to read: the rest of a body that meets a closed socket would reset the
    connection, and the answer be lost (RFC 9112, section 9.6).
    """
    length = header(scope["headers"], b"content-length")
    if length.isdigit() and int(length) <= SKIPPED_BYTES:
        await send_reply(reply, receive, send)
        return
    start = _start(reply)
    start["headers"].append((b"connection", b"close"))
    await send(start)
    await send(_piece(reply.body, more=True))
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while (await receive()).get("more_body", False):
                continue
    await send(_piece(b"", more=False))


def _start(reply: Reply) -> Message:
    headers = [(b"content-type", reply.content_type.encode("latin-1"))]
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if reply.buffer is None:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


async def _send_stream(buffer: StreamBuffer, receive: Receive, send: Send) -> None:
    watcher = asyncio.create_task(_close_when_left(buffer, receive))
    alarm = Alarm()
    try:
        buffer.listen(alarm.ring)
        over = False
        while not over:
            await alarm.wait(buffer.patience)
            data, over = buffer.take()
            if data:
                await send(_piece(data, more=True))
        if not watcher.done():
            await send(_piece(b"", more=False))
    finally:
        buffer.close()
        watcher.cancel()


async def _close_when_left(buffer: StreamBuffer, receive: Receive) -> None:
    while (await receive())["type"] != DISCONNECT:
        continue
    buffer.close()


def _piece(data: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}
