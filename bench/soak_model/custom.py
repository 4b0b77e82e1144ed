"""Model of the soak: doubles a column, fails when asked to, streams, leaks when told to.

`SOAK_LEAK_BYTES` is what each prediction keeps for ever: a soak must find that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pandas as pd

LEAK = int(os.environ.get("SOAK_LEAK_BYTES", "0"))
kept: list[bytes] = []


def load_model(code_dir: str) -> str:
    """There is nothing to load."""
    return "no weights"


def score(data: pd.DataFrame, model: str, **kwargs: Any) -> pd.DataFrame:
    """Twice the column `a`, and which worker said so."""
    if "fail" in data:
        raise ValueError("the soak asked the model to fail")
    if LEAK:
        kept.append(b"x" * LEAK)
    return pd.DataFrame({"Predictions": data["a"] * 2.0, "worker": os.getpid()})


def chat(completion_create_params: dict[str, Any], model: str) -> Any:
    """As many words as the last message says, as a stream or at once."""
    count = int(completion_create_params["messages"][-1]["content"])
    words = [f"word{number} " for number in range(count)]
    if completion_create_params.get("stream"):
        return chunks(words)
    message = {"role": "assistant", "content": "".join(words)}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}


def chunks(words: list[str]) -> Iterator[dict[str, Any]]:
    """A chunk for each word."""
    for word in words:
        yield {"object": "chat.completion.chunk", "choices": [{"delta": {"content": word}}]}
