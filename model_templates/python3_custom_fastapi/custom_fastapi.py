"""Server extension: every route but the probes needs a token, and there is one more route.

The server calls `init_app` once, before it answers the first request.
"""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN_VARIABLE = "MODEL_API_TOKEN"  # noqa: S105 - the name of a variable, not a secret
PROBES = ("/", "/ping", "/livez", "/readyz", "/startupz", "/health")
HERE = Path(__file__).parent


def init_app(app: FastAPI) -> None:
    """Add the token check and the route `GET /tariff`.

    An error raised here stops the start: better no server than one without its token check.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise RuntimeError(f"no token to check requests against; set {TOKEN_VARIABLE}")
    app.add_middleware(TokenMiddleware, token=token, exempt=probe_paths())
    tariff = json.loads((HERE / "tariff.json").read_text())

    @app.get("/tariff")
    async def get_tariff() -> dict[str, float]:
        """The prices the model computes with."""
        return dict(tariff)


def probe_paths() -> frozenset[str]:
    """The paths that Kubernetes calls; it has no token. They follow the URL prefix, if any."""
    prefix = os.environ.get("URL_PREFIX", "").strip("/")
    root = f"/{prefix}" if prefix else ""
    return frozenset((root + path).rstrip("/") for path in PROBES)


class TokenMiddleware:
    """Answers 401 to requests without `Authorization: Bearer <token>`.

    Plain ASGI, so that streamed answers stay streams and nothing is copied.
    """

    def __init__(self, app: ASGIApp, token: str, exempt: frozenset[str]) -> None:
        self.app = app
        self.expected = f"Bearer {token}".encode()
        self.exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass, or refuse it before its body is read."""
        if scope["type"] == "lifespan" or self.is_allowed(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal()(scope, receive, send)

    def is_allowed(self, scope: Scope) -> bool:
        """Is it a probe, or is the token right? Compared in constant time, as bytes."""
        if scope["path"].rstrip("/") in self.exempt:
            return True
        given = Headers(scope=scope).get("authorization", "")
        return hmac.compare_digest(given.encode("latin-1"), self.expected)


def refusal() -> JSONResponse:
    """The 401 answer; it does not say whether the token was missing or wrong."""
    return JSONResponse(
        {"message": "send the header 'Authorization: Bearer <token>'"},
        status_code=401,
        headers={"WWW-Authenticate": "Bearer"},
    )
