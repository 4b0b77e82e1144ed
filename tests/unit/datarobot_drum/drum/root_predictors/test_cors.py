"""Who may read the answers that no app has made: the same as for those of apps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware

from datarobot_drum.drum.root_predictors import cors
from datarobot_drum.drum.settings import Settings

ONE, ALL = "https://a.example", "*"
ORIGINS = (
    *(ONE, f"{ONE}:443", f"{ONE}.evil.example", "https://aXexample", "http://a.example"),
    *("https://A.example", "null", "*", "https://b.example", f"{ONE}/", f"{ONE},https://b.example"),
)


async def ignore(*args: object) -> None:
    """Neither the app nor its client matters here."""


def by_starlette(settings: Settings, origin: str) -> dict[str, str]:
    layer = CORSMiddleware(ignore, **cors.options(settings))
    message: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
    sent = Headers(raw=[(b"origin", origin.encode())])
    asyncio.run(layer.send(message, ignore, sent))
    return {name.decode().lower(): value.decode() for name, value in message["headers"]}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(
    ("listed", "credentials"),
    [((ONE,), False), ((ONE, "https://b.example"), True), ((ALL,), False)],
)
def test_headers_are_those_of_starlette(origin, listed, credentials):
    settings = Settings(cors_enabled=True, cors_origins=listed, cors_credentials=credentials)
    own = {name.lower(): value for name, value in cors.headers_for(settings, origin)}
    assert own == by_starlette(settings, origin)


@pytest.mark.parametrize("origin", [origin for origin in ORIGINS if origin != ONE])
def test_only_the_very_origin_may_read(origin):
    settings = Settings(cors_enabled=True, cors_origins=(ONE,), cors_credentials=True)
    assert "access-control-allow-origin" not in by_starlette(settings, origin)


@pytest.mark.parametrize(("enabled", "origin"), [(False, ONE), (True, ""), (True, None)])
def test_nothing_is_added_for_those_who_do_not_ask(enabled, origin):
    settings = Settings(cors_enabled=enabled, cors_origins=(ONE,))
    assert cors.headers_for(settings, origin) == []
