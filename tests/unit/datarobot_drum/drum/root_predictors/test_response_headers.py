"""Request ids and the headers of every answer."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datarobot_drum import __version__
from datarobot_drum.drum.root_predictors.response_headers import (
    choose_request_id,
    response_headers,
)


@pytest.mark.parametrize("sent", ["a", "id-1_2.3", "~!\"#$%&'()", "x" * 128])
def test_request_id_of_a_client_is_kept(sent: str) -> None:
    assert choose_request_id(sent) == sent


@pytest.mark.parametrize(
    "sent", [None, "", "x" * 129, "a b", "a\n", "\n", "a\r\nX: y", "é", "a\x00", "\x7f", "\t"]
)
def test_request_id_that_is_not_sane_is_replaced(sent: str | None) -> None:
    chosen = choose_request_id(sent)
    assert chosen != sent
    assert uuid.UUID(chosen).version == 4


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=140))
def test_request_id_can_always_be_a_header(sent: str) -> None:
    chosen = choose_request_id(sent)
    assert chosen.isascii()
    assert chosen.isprintable()
    assert " " not in chosen
    assert 0 < len(chosen) <= 128


def test_every_answer_carries_id_version_and_security_headers() -> None:
    assert dict(response_headers("r1")) == {
        "X_Request_ID": "r1",
        "X-Request-ID": "r1",
        "X-Drum-Version": __version__,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
    }
