"""Chats as attributes, whatever clients and models send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datarobot_drum.drum.observability.gen_ai import (
    LONGEST_EVENT,
    LONGEST_TEXT,
    MOST_MESSAGES,
    StreamedCompletion,
    request_attributes,
    response_attributes,
)
from datarobot_drum.drum.observability.masking import mask_output, stop_masking


def message(content: Any, role: str = "user") -> dict[str, Any]:
    """One message."""
    return {"role": role, "content": content}


def test_request_has_its_model_and_messages() -> None:
    told = request_attributes({"model": "m", "messages": [message("a"), message("b")]})
    parts = [{"type": "text", "content": text} for text in "ab"]
    assert json.loads(told.pop("gen_ai.input.messages")) == [
        {"role": "user", "parts": [part]} for part in parts
    ]
    assert told == {
        "gen_ai.request.model": "m",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "a",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "b",
        "gen_ai.prompt": "b",
    }


@pytest.mark.parametrize(
    "params",
    [{}, {"messages": None}, {"messages": "text"}, {"messages": [None, 1, []]}, {"model": ""}],
)
def test_request_of_another_shape_tells_nothing(params: dict[str, Any]) -> None:
    assert request_attributes(params) == {}


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (None, ""),
        (["a", {"type": "text"}], '["a", {"type": "text"}]'),
        (7, "7"),
        ("\ud800", "?"),
        ("x" * (LONGEST_TEXT + 1), "x" * LONGEST_TEXT),
    ],
)
def test_content_is_a_text_of_bounded_length(content: Any, shown: str) -> None:
    assert request_attributes({"messages": [message(content)]})["gen_ai.prompt"] == shown


def test_long_chat_keeps_what_matters_below_the_limit_of_attributes() -> None:
    messages = [message(str(number)) for number in range(500)]
    told = request_attributes({"model": "m", "messages": messages})
    assert len(told) == 2 * MOST_MESSAGES + 3 < 128
    assert (told["gen_ai.prompt"], told["gen_ai.request.model"]) == ("499", "m")


def test_secrets_are_masked() -> None:
    mask_output(["s3cret-text"])
    told = request_attributes({"messages": [message("my s3cret-text")]})
    stop_masking()
    assert "s3cret" not in json.dumps(told)


@pytest.mark.parametrize(
    "completion", [{}, {"choices": None}, {"choices": [None]}, {"choices": [{"message": "x"}]}]
)
def test_completion_of_another_shape_tells_nothing(completion: dict[str, Any]) -> None:
    assert response_attributes(completion) == {}


def test_choice_without_a_message_is_empty() -> None:
    assert response_attributes({"choices": [{}]})["gen_ai.completion"] == ""


def event(*choices: Any, **more: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps({"choices": list(choices), **more}).encode() + b"\n\n"


def test_stream_is_put_together() -> None:
    stream = StreamedCompletion()
    stream.add(event({"index": 1, "delta": {"role": "tool", "content": "b"}}, model="m"))
    stream.add(event({"delta": {"content": "a"}}, {"index": 0, "delta": {"content": "c"}}))
    stream.add(event({"index": 0, "delta": None, "finish_reason": "stop"}))
    told = stream.attributes()
    assert told["gen_ai.response.model"] == "m"
    assert told["gen_ai.completion.0.content"] == "ac"
    assert told["gen_ai.completion.1.role"] == "tool"
    assert told["gen_ai.completion"] == "b"
    reasons = [each["finish_reason"] for each in json.loads(told["gen_ai.output.messages"])]
    assert reasons == ["stop", ""]


@pytest.mark.parametrize(
    "piece",
    [
        b"",
        b": comment\n\n",
        b"data: [DONE]\n\n",
        b"data: [1]\n\n",
        b"data: {broken\n\n",
        event(None, "text", model=None),
        b'data: {"choices": {}}\n\n',
        b"data: " + b" " * LONGEST_EVENT + b"{}",
        b"data: " + b"[" * 100_000,
    ],
)
def test_event_that_is_no_chunk_is_passed_over(piece: bytes) -> None:
    stream = StreamedCompletion()
    stream.add(piece)
    assert stream.attributes() == {}


def test_endless_stream_takes_bounded_memory() -> None:
    stream = StreamedCompletion()
    for number in range(100):
        delta = {"content": "x" * 1000}
        stream.add(event({"index": number, "delta": delta}, {"index": 0, "delta": delta}))
    told = stream.attributes()
    assert len(told["gen_ai.completion.0.content"]) == LONGEST_TEXT
    assert len(told) == 2 * MOST_MESSAGES + 2
