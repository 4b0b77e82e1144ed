"""Chat answers of every make: objects, dicts, frozen and slotted ones, and what is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from datarobot_drum.drum.errors import HookError, InvalidInput, InvalidOutput
from datarobot_drum.drum.exceptions import CustomHTTPError
from datarobot_drum.drum.root_predictors.chat import as_chunks, as_completion, chunk_text

ID = "datarobot_association_id"
CHOICE = {
    "index": 0,
    "finish_reason": "stop",
    "message": {"role": "assistant", "content": "hi"},
}
COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [CHOICE],
}
CHUNK = {
    "id": "c1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "h\u2028i"}, "finish_reason": None}],
}


class Open:
    """An answer as a careless author writes it."""

    def __init__(self, kind: str) -> None:
        self.object = kind

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def to_json(self, indent: int | None = 2) -> str:
        return json.dumps(self.to_dict(), indent=indent)


@dataclass(frozen=True)
class Frozen:
    object: str

    def to_dict(self) -> dict[str, Any]:
        return {"object": self.object}


class Slotted:
    __slots__ = ("object",)

    def __init__(self, kind: str) -> None:
        self.object = kind

    def to_dict(self) -> dict[str, Any]:
        return {"object": self.object}


class ChatObject(BaseModel):
    """Built as the classes of OpenAI's package: further keys are kept, unset ones left out."""

    model_config = ConfigDict(extra="allow")
    object: str
    usage: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)

    def to_json(self, indent: int | None = 2) -> str:
        return self.model_dump_json(exclude_unset=True, indent=indent)


MAKES = [Open, Frozen, Slotted]


def texts(response: Any) -> list[dict[str, Any]]:
    return [json.loads(chunk_text(chunk)) for chunk in as_chunks(response, "a1")]


def test_completion_as_dict_gets_the_id_and_is_not_changed() -> None:
    before = dict(COMPLETION)
    assert as_completion(COMPLETION, "a1") == {**COMPLETION, ID: "a1"}
    assert before == COMPLETION


def test_completion_as_pydantic_model_gets_the_id_and_no_keys_that_were_unset() -> None:
    completion = as_completion(ChatObject.model_validate(COMPLETION), 7)
    assert completion == {**COMPLETION, ID: 7}


@pytest.mark.parametrize("make", MAKES)
def test_completion_may_be_an_object_of_any_make(make: Any) -> None:
    assert as_completion(make("chat.completion"), "a1") == {"object": "chat.completion", ID: "a1"}


@pytest.mark.parametrize(
    "response",
    [
        None,
        "text",
        5,
        object(),
        {"object": "other"},
        {"object": "chat.completion"},
        {"object": "chat.completion", "choices": []},
        {"object": "chat.completion", "choices": [{}]},
        {"object": "chat.completion", "choices": [{"message": {}}]},
        {"object": "chat.completion", "choices": [None]},
        Open("chat.completion.chunk"),
    ],
)
def test_completion_is_nothing_else(response: Any) -> None:
    assert as_completion(response, "a1") is None


def test_completion_that_cannot_become_a_dict_is_the_model_s_fault() -> None:
    class Broken:
        object = "chat.completion"

    with pytest.raises(InvalidOutput, match="cannot read the Broken of the chat hook") as raised:
        as_completion(Broken(), "a1")
    assert isinstance(raised.value.__cause__, AttributeError)


def test_chunks_as_dicts_get_the_id() -> None:
    assert texts([CHUNK, CHUNK]) == [{**CHUNK, ID: "a1"}] * 2


def test_chunks_as_pydantic_models_get_the_id_and_stay_one_line() -> None:
    chunk = ChatObject.model_validate(CHUNK)
    (sent,) = as_chunks(iter([chunk]), "a1")
    assert "\n" not in chunk_text(sent)
    assert json.loads(chunk_text(sent)) == {**CHUNK, ID: "a1"}


@pytest.mark.parametrize("make", MAKES)
def test_chunks_may_be_objects_of_any_make(make: Any) -> None:
    assert texts([make("chat.completion.chunk")]) == [{"object": "chat.completion.chunk", ID: "a1"}]


def test_chunks_are_known_by_the_name_of_their_class() -> None:
    named = type("ChatCompletionChunk", (Open,), {})
    assert texts([named("something")]) == [{"object": "something", ID: "a1"}]


def test_chunks_of_an_empty_stream_are_none() -> None:
    assert texts([]) == []


@pytest.mark.parametrize(
    "response", ["text", b"bytes", None, 5, {"object": "x"}, ["text"], [{"object": "x"}], [None]]
)
def test_chunks_of_anything_else_are_refused(response: Any) -> None:
    with pytest.raises(InvalidOutput, match="Expected response to be ChatCompletion or Iterable"):
        as_chunks(response, "a1")


def test_chunks_refusal_shows_the_type_and_the_start_of_the_answer() -> None:
    with pytest.raises(InvalidOutput) as refused:
        as_chunks("x" * 5000, "a1")
    assert "response type: <class 'str'>.response(str): xxx" in str(refused.value)
    assert len(str(refused.value)) < 400


def failing(error: Exception) -> Iterator[Any]:
    raise error
    yield


def test_first_chunk_that_fails_keeps_its_cause() -> None:
    cause = ValueError("no credit")
    with pytest.raises(HookError, match="^no credit$") as raised:
        as_chunks(failing(cause), "a1")
    assert raised.value.__cause__ is cause


def test_first_chunk_that_fails_without_words_shows_its_type() -> None:
    with pytest.raises(HookError, match=r"^KeyError\(\)$"):
        as_chunks(failing(KeyError()), "a1")


def test_stream_that_cannot_even_be_started_keeps_its_cause() -> None:
    class Refusing:
        def __iter__(self) -> Iterator[Any]:
            raise ValueError("not now")

    with pytest.raises(HookError, match="^not now$"):
        as_chunks(Refusing(), "a1")


@pytest.mark.parametrize("error", [CustomHTTPError("slow down", 429), InvalidInput("no")])
def test_first_chunk_that_fails_on_purpose_keeps_its_status(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        as_chunks(failing(error), "a1")
    assert raised.value is error


def test_chunks_that_nobody_reads_on_close_the_model_s_generator() -> None:
    closed = []

    def stream() -> Iterator[Any]:
        try:
            yield CHUNK
            yield CHUNK
        finally:
            closed.append(True)

    kept = stream()
    chunks = as_chunks(kept, "a1")
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_chunks_of_a_stream_without_an_end_of_its_own_are_left_to_themselves() -> None:
    chunks = as_chunks(iter([CHUNK, CHUNK]), "a1")
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert list(chunks) == []
