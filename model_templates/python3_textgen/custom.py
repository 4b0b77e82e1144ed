"""Hooks of the text generation example: chat, streamed chat, batch score and the models list.

The "model" looks an answer up in answers.json, so that the example runs anywhere. Replace
`find_answer` with a call of your own model or provider; the hooks stay as they are. Objects
of the OpenAI SDK may be returned as well: they have the same attributes and methods.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

MODEL_NAME = "harbour-faq"
TARGET_NAME = "resultText"
NO_ANSWER = "Sorry, I do not know that."

Answers = dict[str, str]


class Message(SimpleNamespace):
    """Attributes that can be written as JSON: all that the runner asks of a chat object."""

    def to_dict(self) -> dict[str, Any]:
        """The attributes, nested ones too, as plain data."""
        plain: dict[str, Any] = json.loads(self.to_json())
        return plain

    def to_json(self, indent: int | None = None) -> str:
        """The attributes as JSON text."""
        return json.dumps(self, default=vars, indent=indent, ensure_ascii=False)


def load_model(code_dir: str) -> Answers:
    """The known questions and their answers."""
    answers: Answers = json.loads(Path(code_dir, "answers.json").read_text(encoding="utf-8"))
    return answers


def score(data: pd.DataFrame, model: Answers, **kwargs: Any) -> pd.DataFrame:
    """One answer for each row of the column `promptText`."""
    return pd.DataFrame({TARGET_NAME: [find_answer(text, model) for text in data["promptText"]]})


def chat(
    completion_create_params: dict[str, Any], model: Answers, **kwargs: Any
) -> Message | Iterator[Message]:
    """Answer the last message; as a stream of chunks if the client asked for `stream`.

    `completion_create_params` is the body of the request as the client sent it. The request
    headers are in `kwargs["headers"]`.
    """
    answer = find_answer(completion_create_params["messages"][-1]["content"], model)
    if completion_create_params.get("stream"):
        return stream_words(answer)
    return completion(answer)


def get_supported_llm_models(model: Answers) -> list[Message]:
    """What `GET /v1/models` lists."""
    return [Message(id=MODEL_NAME, object="model", created=1767225600, owned_by="example")]


def find_answer(question: str, answers: Answers) -> str:
    """The answer of the known question that shares most words with this one."""
    asked = words_of(question)
    best = max(answers, key=lambda known: len(asked & words_of(known)))
    return answers[best] if asked & words_of(best) else NO_ANSWER


def words_of(text: str) -> set[str]:
    """The words of a text that are longer than three letters, in lower case."""
    return set(re.findall(r"\w{4,}", text.lower()))


def completion(answer: str) -> Message:
    """A whole answer, as `chat.completion` of the OpenAI API."""
    message = Message(role="assistant", content=answer)
    choice = Message(index=0, message=message, finish_reason="stop")
    return Message(**envelope("chat.completion"), choices=[choice])


def stream_words(answer: str) -> Iterator[Message]:
    """The answer word by word, then an empty chunk that says why it ended."""
    head = envelope("chat.completion.chunk")
    for part in re.findall(r"\S+\s*", answer):
        yield chunk(head, Message(content=part), None)
    yield chunk(head, Message(), "stop")


def chunk(head: dict[str, Any], delta: Message, finish_reason: str | None) -> Message:
    """One event of a stream; all events of one answer have the same head."""
    choice = Message(index=0, delta=delta, finish_reason=finish_reason)
    return Message(**head, choices=[choice])


def envelope(kind: str) -> dict[str, Any]:
    """What whole answers and chunks have in common."""
    answer_id = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": answer_id, "object": kind, "created": int(time.time()), "model": MODEL_NAME}
