"""Chunks of a chat arrive as the model produces them, and a client may leave between two."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.contract.cases.models import GATED_CHAT
from tests.contract.checks import events_of
from tests.contract.conftest import Serve
from tests.contract.exchanges import PATIENCE, Request
from tests.contract.serving import post


def _ask(*words: str) -> Request:
    return post("/chat/completions", json.dumps({"words": words}).encode(), "application/json")


def _word(piece: bytes) -> str:
    (event,) = events_of(piece)
    word: str = event["choices"][0]["delta"]["content"]
    return word


def _words(pieces: Iterator[bytes], count: int) -> list[str]:
    return [_word(next(pieces)) for _ in range(count)]


def test_chunk_arrives_before_the_model_makes_the_next_one(own_client: Serve) -> None:
    client = own_client(GATED_CHAT)
    pieces = client.open(_ask("one", "two", "three")).pieces()
    for word in ("one", "two"):
        assert _word(next(pieces)) == word
        assert client.loaded.begun.acquire(timeout=PATIENCE)
        client.loaded.go_on.release()
    rest = events_of(b"".join(pieces))
    assert rest[0]["choices"][0]["delta"]["content"] == "three"
    assert rest[1:] == ["[DONE]"]


def test_stream_holds_the_model_until_its_end(own_client: Serve) -> None:
    client = own_client(GATED_CHAT)
    pieces = client.open(_ask("one", "two")).pieces()
    assert _words(pieces, 1) == ["one"]
    assert client.server.gate.figures()["running"] == 1
    client.loaded.go_on.release()
    assert events_of(b"".join(pieces))[-1] == "[DONE]"
    client.loaded.go_on.release()
    assert client.send(_ask("three", "four")).body.endswith(b"data: [DONE]\n\n")


def test_model_stops_when_the_client_leaves(own_client: Serve) -> None:
    client = own_client(GATED_CHAT)
    exchange = client.open(_ask(*"x" * 1000))
    assert _words(exchange.pieces(), 1) == ["x"]
    exchange.close()
    client.loaded.go_on.release(1000)
    assert client.loaded.closed.wait(PATIENCE)
    assert client.loaded.go_on.acquire(blocking=False), "all words were said to nobody"
    assert client.send(_ask("next")).body.endswith(b"data: [DONE]\n\n")


def test_stream_that_takes_too_long_ends_with_an_error_event(own_client: Serve) -> None:
    client = own_client(GATED_CHAT.with_environment(DRUM_CLIENT_REQUEST_TIMEOUT="0.3"))
    answer = client.send(_ask("one", "never"))
    client.loaded.go_on.release()
    first, last = events_of(answer.body)
    assert first["choices"][0]["delta"]["content"] == "one"
    assert last["error"]["type"] == "timeout"
