"""The layer of CORS: Starlette's class where a decision is to be made, else headers as they are."""

from __future__ import annotations

from functools import lru_cache

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datarobot_drum.drum.root_predictors import cors
from datarobot_drum.drum.settings import Settings

MERGED = frozenset(name.encode() for name in cors.MERGED)


class CorsMiddleware:
    """Answers preflight requests, and marks the answers of the app."""

    def __init__(self, settings: Settings, app: ASGIApp) -> None:
        self._settings = settings
        self._app = app
        self._cors = CORSMiddleware(app, **cors.options(settings))
        #: by origin; a page asks again and again
        self._marks = lru_cache(maxsize=64)(self._make_marks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope.get("headers", ())
        origin = next((value for name, value in headers if name == b"origin"), None)
        if scope["type"] != "http" or scope["method"] == "OPTIONS" or origin == b"":
            await self._cors(scope, receive, send)
            return

        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                if not MERGED.isdisjoint([name.lower() for name, _ in headers]):
                    await self._cors.send(message, send, Headers(scope=scope))
                    return
                message["headers"] = [*headers, *self._marks(origin)]
            await send(message)

        await self._app(scope, receive, mark)

    def _make_marks(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        known = None if origin is None else origin.decode("latin-1")
        found = cors.marks(self._settings, known)
        return [(name.encode(), value.encode("latin-1")) for name, value in found]
