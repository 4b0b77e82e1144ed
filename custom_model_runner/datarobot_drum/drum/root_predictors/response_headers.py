"""Headers that every answer of every server carries; CORS is the frameworks' own."""

from __future__ import annotations

import re
import uuid
from collections.abc import Container

from datarobot_drum import __version__

#: visible ASCII only: the id is echoed into headers and logs
VALID_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}\Z")

FIXED_HEADERS = (
    ("X-Drum-Version", __version__),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
)
#: clients of the reference look for the spelling with underscores, proxies drop it
REQUEST_ID_HEADERS = ("X_Request_ID", "X-Request-ID")


def choose_request_id(sent: str | None) -> str:
    """The client's request id if it is sane, else a fresh UUID."""
    return sent if sent and VALID_REQUEST_ID.match(sent) else str(uuid.uuid4())


def response_headers(request_id: str, there: Container[str] = ()) -> list[tuple[str, str]]:
    """Request id, version and security headers of one answer.

    Those that an extension has set, named in `there` in lower case, are left as they are.
    """
    fixed = [pair for pair in FIXED_HEADERS if pair[0].lower() not in there]
    return [*fixed, *((name, request_id) for name in REQUEST_ID_HEADERS)]
