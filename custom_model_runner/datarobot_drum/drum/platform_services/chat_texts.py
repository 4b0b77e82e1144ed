"""The texts of a chat that are reported: the last message and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def prompt_text(params: Mapping[str, Any]) -> str:
    """The last message: its text parts and images, one a line."""
    messages = params.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    content = last.get("content") if isinstance(last, dict) else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(text for text in map(_part_text, parts) if text)


def _part_text(part: Any) -> str:
    if not isinstance(part, dict):
        return ""
    if part.get("type") == "image_url":
        image = part.get("image_url")
        return f"Image URL: {image.get('url') if isinstance(image, dict) else image}"
    text = part.get("text")
    return text if isinstance(text, str) else ""


def answer_text(completion: Mapping[str, Any]) -> str:
    """The text of a finished completion."""
    return _text(completion, "message")


def piece_text(chunk: Any) -> str:
    """The text that a chunk adds to a streamed answer; empty for chunks without any."""
    return _text(chunk, "delta")


def _text(answer: Any, part: str) -> str:
    choices = _get(answer, "choices")
    if not isinstance(choices, (list, tuple)) or not choices:
        return ""
    content = _get(_get(choices[0], part), "content")
    return content if isinstance(content, str) else ""


def _get(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)
