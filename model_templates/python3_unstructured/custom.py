"""Hooks of the unstructured example: text in, its most frequent words out as JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datarobot_drum import CustomHTTPError

StopWords = dict[str, list[str]]


def load_model(code_dir: str) -> StopWords:
    """The words that are too common to be keywords, by language."""
    words: StopWords = json.loads(Path(code_dir, "stop_words.json").read_text(encoding="utf-8"))
    return words


def score_unstructured(
    model: StopWords,
    data: str | bytes,
    query: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> tuple[str, dict[str, str]]:
    """The `?top=` most frequent words of a text in the language of the Content-Language header.

    `data` is text for `text/*` and `application/json`, and bytes for every other content type.
    `headers` is only given by the server; `drum score` has none.
    """
    language = (headers or {}).get("Content-Language", "en")
    counts = count_words(as_text(data), model.get(language, []))
    answer = {
        "language": language,
        "words": counts.total(),
        "keywords": dict(counts.most_common(read_top(query))),
    }
    return json.dumps(answer, ensure_ascii=False), {"mimetype": "application/json"}


def as_text(data: str | bytes) -> str:
    """The text itself; what is not text is the sender's fault and answered with 415."""
    if isinstance(data, str):
        return data
    raise CustomHTTPError("send text, with Content-Type: text/plain", status_code=415)


def read_top(query: Mapping[str, str]) -> int:
    """How many keywords the sender wants; a CustomHTTPError is sent with its status and text."""
    top = query.get("top", "3")
    if not top.isdecimal():
        raise CustomHTTPError(f"top must be a whole number, not {top[:20]!r}", status_code=422)
    return int(top)


def count_words(text: str, stop_words: list[str]) -> Counter[str]:
    """Every word in lower case, without the stop words."""
    words = re.findall(r"\w+", text.lower())
    return Counter(word for word in words if word not in stop_words)
