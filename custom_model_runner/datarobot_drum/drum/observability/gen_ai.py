"""Chats as attributes of spans, under the names that the reference and its dashboards use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from datarobot_drum.drum.observability.masking import masked

Attributes = dict[str, Any]

#: Messages of a chat that are told one by one, and characters of each: a span has a limit of its
#: own for attributes (128), and beyond it forgets the first ones.
MOST_MESSAGES = 32
LONGEST_TEXT = 32_768
#: Bytes of an event that are read; a longer one is none of a chat.
LONGEST_EVENT = 1_000_000
DATA = b"data: "


def request_attributes(params: Mapping[str, Any]) -> Attributes:
    """A request's model and messages; what does not have the usual shape is left out."""
    messages = [m for m in _items(params.get("messages")) if isinstance(m, dict)]
    found: Attributes = {}
    for number, message in enumerate(messages[:MOST_MESSAGES]):
        found |= _message(f"gen_ai.prompt.{number}", message)
    if messages:
        found["gen_ai.prompt"] = _text(messages[-1].get("content"))
        found["gen_ai.input.messages"] = _as_json(
            {"role": _role(m), "parts": _parts(m)} for m in messages[-MOST_MESSAGES:]
        )
    if params.get("model"):
        found["gen_ai.request.model"] = _text(params["model"])
    return found


def response_attributes(completion: Mapping[str, Any]) -> Attributes:
    """A finished completion's model and choices."""
    choices = [c for c in _items(completion.get("choices")) if isinstance(c, dict)]
    messages = [(c.get("message") or {}, c.get("finish_reason")) for c in choices[:MOST_MESSAGES]]
    return _answer(completion.get("model"), [m for m in messages if isinstance(m[0], dict)])


def _answer(model: Any, messages: list[tuple[Mapping[str, Any], Any]]) -> Attributes:
    found: Attributes = {}
    for number, (message, _) in enumerate(messages):
        found |= _message(f"gen_ai.completion.{number}", message)
    if messages:
        found["gen_ai.completion"] = _text(messages[-1][0].get("content"))
        found["gen_ai.output.messages"] = _as_json(
            {"role": _role(m), "parts": _parts(m), "finish_reason": _text(reason)}
            for m, reason in messages
        )
    if model:
        found["gen_ai.response.model"] = _text(model)
    return found


class StreamedCompletion:
    """Puts the events of a streamed chat together again."""

    def __init__(self) -> None:
        self._model: Any = None
        self._messages: dict[int, dict[str, Any]] = {}

    def add(self, event: bytes) -> None:
        """Read one event; what is no chunk of a chat is passed over."""
        if not event.startswith(DATA) or len(event) > LONGEST_EVENT:
            return
        try:
            chunk = json.loads(event.removeprefix(DATA))
        except (ValueError, RecursionError):
            return
        if not isinstance(chunk, dict):
            return
        self._model = chunk.get("model") or self._model
        for choice in _items(chunk.get("choices")):
            if isinstance(choice, dict):
                self._add_choice(choice)

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        number = choice.get("index")
        number = number if isinstance(number, int) else 0
        if number not in self._messages and len(self._messages) >= MOST_MESSAGES:
            return
        told = self._messages.setdefault(number, {"content": "", "role": "assistant"})
        delta = choice.get("delta")
        if isinstance(delta, dict):
            told["role"] = delta.get("role") or told["role"]
            content = delta.get("content")
            if isinstance(content, str) and len(told["content"]) < LONGEST_TEXT:
                told["content"] += content
        told["reason"] = choice.get("finish_reason") or told.get("reason")

    def attributes(self) -> Attributes:
        """What came so far, as `response_attributes` tells a finished completion."""
        told = [self._messages[number] for number in sorted(self._messages)]
        return _answer(self._model, [(message, message.get("reason")) for message in told])


def _message(prefix: str, message: Mapping[str, Any]) -> Attributes:
    return {f"{prefix}.role": _role(message), f"{prefix}.content": _text(message.get("content"))}


def _role(message: Mapping[str, Any]) -> str:
    return _text(message.get("role"))


def _parts(message: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"type": "text", "content": _text(message.get("content"))}]


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _as_json(messages: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps(list(messages))


def _text(value: Any) -> str:
    """A text of bounded length: parts of a message and the like become JSON."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    # a lone half of a surrogate pair cannot be sent
    return masked(text[:LONGEST_TEXT]).encode("utf-8", "replace").decode()
