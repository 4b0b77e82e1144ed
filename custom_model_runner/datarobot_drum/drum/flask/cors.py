"""CORS in front of a WSGI app, decided by the class that decides on the FastAPI server.

Flask-CORS answers preflight requests otherwise than Starlette does (status, body, which headers
it lists) and leaves `Vary` out, which shared caches need; so the ASGI class is asked here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send
from werkzeug.datastructures import EnvironHeaders

from datarobot_drum.drum.root_predictors import cors
from datarobot_drum.drum.settings import Settings


class CorsApp:
    """Answers preflight requests, and marks the answers of the app."""

    def __init__(self, settings: Settings, app: Any) -> None:
        self._settings = settings
        self._app = app
        self._cors = CORSMiddleware(_nothing, **cors.options(settings))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if (
            environ["REQUEST_METHOD"] == "OPTIONS"
            and "HTTP_ORIGIN" in environ
            and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        ):
            response = self._cors.preflight_response(_headers(environ))
            start_response(_line(response.status_code), _decoded(response.raw_headers))
            return [bytes(response.body)]

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, self._marked(headers, environ), exc_info)

        return self._app(environ, start)  # type: ignore[no-any-return]  # any WSGI app

    def _marked(self, headers: cors.Headers, environ: dict[str, Any]) -> cors.Headers:
        origin = environ.get("HTTP_ORIGIN")
        if origin != "" and not any(name.lower() in cors.MERGED for name, _ in headers):
            return [*headers, *cors.marks(self._settings, origin)]
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        message: Message = {"type": "http.response.start", "headers": raw}
        _run(self._cors.send(message, _swallow, _headers(environ)))
        return _decoded(message["headers"])


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Never called: the class is asked for headers only."""


async def _swallow(message: Message) -> None:
    """Where a marked message goes; it is read from the caller's own variable."""


def _run(coroutine: Any) -> None:
    """Run a coroutine that never waits for anything, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("the layer of CORS waits for something")


def _headers(environ: dict[str, Any]) -> Headers:
    pairs = EnvironHeaders(environ)
    return Headers(raw=[(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in pairs])


def _decoded(raw: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]


def _line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
