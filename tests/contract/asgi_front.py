"""The ASGI front in process: an event loop in a thread, its lifespan included."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any
from urllib.parse import unquote

from blockbuster import BlockingError
from tests.contract.exchanges import PATIENCE, Exchange, Headers, Request


class EventLoopThread:
    """An event loop that remembers what went wrong on it unseen."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._note)
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def _note(self, loop: Any, context: dict[str, Any]) -> None:
        self.failures.append(context.get("exception") or RuntimeError(context["message"]))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The coroutine's result, from another thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run it without waiting for it."""
        asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def stop(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()


class ASGIFront:
    """Calls the app as Uvicorn does."""

    def __init__(self, app: Any, thread: EventLoopThread) -> None:
        self._app = app
        self._thread = thread

    def begin(self) -> None:
        """Run the app's start-up."""
        self._thread.run(self._begin())

    def end(self) -> None:
        """Run the app's shutdown, once."""
        self._thread.run(self._end())

    async def _begin(self) -> None:
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._said: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._lifespan = asyncio.create_task(self._app(scope, self._messages.get, self._said.put))
        await self._tell("startup")

    async def _end(self) -> None:
        if self._lifespan.done():
            return
        await self._tell("shutdown")
        await self._lifespan

    async def _tell(self, event: str) -> None:
        await self._messages.put({"type": f"lifespan.{event}"})
        said = await self._said.get()
        assert said["type"] == f"lifespan.{event}.complete", said

    def open(self, request: Request) -> ASGIExchange:
        """Send a request."""
        exchange = ASGIExchange(self._thread.loop)
        self._thread.start(self._run(request, exchange))
        return exchange

    async def _run(self, request: Request, exchange: ASGIExchange) -> None:
        call = Call(request, exchange)
        exchange.gone = call.gone
        try:
            await self._app(to_scope(request), call.receive, call.send)
        except Exception as error:
            # an app may answer first and raise then, for the server's log
            if isinstance(error, BlockingError):
                self._thread.failures.append(error)
            exchange.end(None if call.is_complete else error)


class ASGIExchange(Exchange):
    """An answer whose client can leave before its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.gone: asyncio.Event | None = None

    def close(self) -> None:
        """The client leaves before the end."""
        super().close()
        if self.gone is not None:
            self._loop.call_soon_threadsafe(self.gone.set)


class Call:
    """The two callables of one request, and what became of it."""

    def __init__(self, request: Request, exchange: Exchange) -> None:
        self._is_head = request.method == "HEAD"
        self._pieces = request.pieces or [b""]
        self._stalls = request.stalls
        self._exchange = exchange
        self.gone = asyncio.Event()
        self.is_complete = False

    async def receive(self) -> dict[str, Any]:
        """The body's next piece; after the last one, the end of the connection."""
        if self._pieces:
            piece = self._pieces.pop(0)
            more = self._stalls or bool(self._pieces)
            return {"type": "http.request", "body": piece, "more_body": more}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """Pass on what the app says; to HEAD a server never sends a body."""
        if message["type"] == "http.response.start":
            self._exchange.start(message["status"], _decoded(message.get("headers", ())))
            return
        if not self._is_head:
            self._exchange.put(message.get("body", b""))
        if not message.get("more_body", False):
            self.is_complete = True
            self.gone.set()
            self._exchange.end()


def _decoded(headers: Any) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def to_scope(request: Request) -> dict[str, Any]:
    """A request as the ASGI specification wants it."""
    path, _, query = request.path.partition("?")
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in request.sent_headers
    ]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "state": {},
    }
