"""Registers the route table on a FastAPI router; turns ASGI messages into ours and back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from datarobot_drum.drum.errors import MethodNotAllowed, NotFound, RefusedRequest
from datarobot_drum.drum.fastapi.context import Alarm, FastAPIWorkerCtx
from datarobot_drum.drum.fastapi.forwarding import DISCONNECT, ClientLeft
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import Kind, Route
from datarobot_drum.drum.root_predictors.streams import StreamBuffer


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
        limit = self._ctx.server.max_body
        body = await read_body(scope, receive, limit) if has_body else None
        return await self._ctx.call(route, to_request(scope, body))


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


async def read_body(scope: Scope, receive: Receive, limit: int) -> SpooledUploadFile:
    """The request's body, read until its end or the limit, whichever comes first."""
    body = SpooledUploadFile(limit)
    length = header(scope["headers"], b"content-length")
    if length.isdigit() and not body.declare(int(length)):
        return body
    more = True
    while more:
        try:
            message = await receive()
        except RefusedRequest:
            body.close()
            raise
        if message["type"] == DISCONNECT:
            body.close()
            raise ClientLeft
        chunk = message.get("body", b"")
        if chunk and not body.feed(chunk):
            return body
        if body.wants_spill:
            await asyncio.to_thread(body.spill)
        more = message.get("more_body", False)
    return body


async def send_reply(reply: Reply, receive: Receive, send: Send) -> None:
    """Our reply as ASGI messages."""
    headers = [(b"content-type", reply.content_type.encode("latin-1"))]
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if reply.buffer is None:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.buffer is None:
        await send({"type": "http.response.body", "body": reply.body})
    else:
        await _send_stream(reply.buffer, receive, send)


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
