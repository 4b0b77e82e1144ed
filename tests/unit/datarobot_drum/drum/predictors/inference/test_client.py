"""Server-sent events and errors, as inference servers send them."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.predictors.inference.client import events, status_error


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_found_however_they_are_cut(size):
    text = (
        'data: {"a":1}\n\ndata:b\r\ndata: c\r\n\r\n: comment\nid: 5\n\ndata: \u2028é\n\n'.encode()
    )
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert list(events(pieces)) == ['{"a":1}', "b\nc", "\u2028é"]


def test_event_without_an_end_is_none():
    assert list(events([b"data: a\n\ndata: b\n"])) == ["a"]


@pytest.mark.parametrize(
    ("body", "message", "fields"),
    [
        (b'{"error":{"message":"m","code":1}}', "m", {"error": {"message": "m", "code": 1}}),
        (b'{"message":"m"}', "m", {"error": {"message": "m"}}),
        (b'{"error":"text"}', "text", {}),
        (b'{"error":{"code":1}}', '{"code": 1}', {"error": {"code": 1}}),
        (b"[1]", "[1]", {}),
        (b"<html>", "<html>", {}),
        (b"\xff", "\ufffd", {}),
        (b"", "", {}),
    ],
)
def test_error_is_told_in_the_words_of_the_server(body, message, fields):
    error = status_error(500, {}, body)
    assert str(error) == f"Error code: 500 - {message}"
    assert error.fields == fields


def test_error_says_when_to_come_back_if_the_server_does():
    assert status_error(503, {"Retry-After": "4"}, b"").retry_after == 4
    assert status_error(503, {"Retry-After": "Wed, 21 Oct"}, b"").retry_after is None


def test_long_error_is_cut():
    assert len(str(status_error(500, {}, b"x" * 10_000))) < 600
