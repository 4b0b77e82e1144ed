"""What web pages of other origins may do, in the words of Starlette's middleware.

All fronts use that one class, so that the same request gets the same answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datarobot_drum.drum.settings import Settings

#: Seconds that a browser may remember the answer to a preflight request.
MAX_AGE = 600
#: What a page may read of an answer besides what every page may.
EXPOSED = ("X-Request-ID", "X-Drum-Version", "Retry-After")


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
