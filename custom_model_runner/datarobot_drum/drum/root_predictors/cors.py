"""What web pages of other origins may do, in the words of Starlette's middleware.

All fronts use that one class for preflight requests and for answers that have such headers already.
Others get theirs from `marks`: the class takes a fiftieth of the time of a small request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datarobot_drum.drum.settings import Settings

ANY_ORIGIN = "*"
VARY = ("Vary", "Origin")
#: Seconds that a browser may remember the answer to a preflight request.
MAX_AGE = 600
#: What a page may read of an answer besides what every page may.
EXPOSED = ("X-Request-ID", "X-Drum-Version", "Retry-After")
#: Where an answer has one of these, ours must be merged with it.
MERGED = frozenset(
    {
        "vary",
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "access-control-expose-headers",
    }
)

Headers = list[tuple[str, str]]


def marks(settings: Settings, origin: str | None) -> Headers:
    """What an answer gets that has none of `MERGED`, as Starlette's class does it."""
    return headers_for(settings, origin) or [VARY]


def headers_for(settings: Settings, origin: str | None) -> Headers:
    """What lets a page of `origin` read an answer that was made before any app, as Starlette's
    class does it for those of apps.
    """
    if not settings.cors_enabled or not origin:
        return []
    shown = [VARY, ("Access-Control-Expose-Headers", ", ".join(EXPOSED))]
    if settings.cors_credentials:
        shown.append(("Access-Control-Allow-Credentials", "true"))
    if ANY_ORIGIN in settings.cors_origins:
        shown.append(("Access-Control-Allow-Origin", ANY_ORIGIN))
    elif origin in settings.cors_origins:
        shown.append(("Access-Control-Allow-Origin", origin))
    return shown


def options(settings: Settings) -> dict[str, Any]:
    """The arguments of Starlette's `CORSMiddleware`."""
    return {
        "allow_origins": settings.cors_origins,
        "allow_methods": settings.cors_methods,
        "allow_headers": settings.cors_headers,
        "allow_credentials": settings.cors_credentials,
        "expose_headers": EXPOSED,
        "max_age": MAX_AGE,
    }
