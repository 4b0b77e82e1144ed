"""How an ASGI request's raw headers are read."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.fastapi.routes import header


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ([], b""),
        ([(b"x-request-id", b"a")], b"a"),
        ([(b"x-request-id", b"a"), (b"host", b"h"), (b"x-request-id", b"b")], b"a,b"),
    ],
)
def test_repeated_header_is_joined_as_wsgi_servers_do(
    headers: list[tuple[bytes, bytes]], value: bytes
) -> None:
    assert header(headers, b"x-request-id") == value
