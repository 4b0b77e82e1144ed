"""A `fit` hook and the hooks that load and use what it wrote: how often each word was spam."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ARTIFACT = "word_counts.json"

Counts = dict[str, list[int]]


def fit(X: pd.DataFrame, y: pd.Series, output_dir: str, class_order: list[str], **kwargs: Any):
    """Count the words of the messages of each class; whatever is needed goes to `output_dir`."""
    positive, _ = class_order
    counts: Counts = {}
    for text, label in zip(X["message"], y, strict=True):
        for word in words(text):
            counts.setdefault(word, [0, 0])[int(label == positive)] += 1
    Path(output_dir, ARTIFACT).write_text(json.dumps(counts))


def load_model(code_dir: str) -> Counts:
    """Read what `fit` wrote; the folder is then that of the trained model."""
    counts: Counts = json.loads(Path(code_dir, ARTIFACT).read_text())
    return counts


def score(
    data: pd.DataFrame,
    model: Counts,
    positive_class_label: str,
    negative_class_label: str,
) -> pd.DataFrame:
    """The probability of each class from the odds of all words."""
    spam = np.array([probability(words(text), model) for text in data["message"]])
    return pd.DataFrame({positive_class_label: spam, negative_class_label: 1 - spam})


def words(text: str) -> set[str]:
    """The different words of a message."""
    return set(text.lower().split())


def probability(found: set[str], model: Counts) -> float:
    """Naive Bayes with one imagined message of each class."""
    known = [model[word] for word in found if word in model]
    log_odds = sum(np.log((positive + 1) / (negative + 1)) for negative, positive in known)
    return float(1 / (1 + np.exp(-log_odds)))
