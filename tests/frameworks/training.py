"""What the training scripts share: the data, and the files that a test reads.

A script predicts with its library alone, never with this project, and names the columns as the
documentation says: one value is the positive class, two are the negative and the positive one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS = 60
LABELS = ("a", "b", "c")


@dataclass(frozen=True)
class Data:
    """A small table with what can be learnt from it."""

    table: pd.DataFrame
    number: np.ndarray[Any, Any]
    classes: np.ndarray[Any, Any]

    @property
    def flag(self) -> np.ndarray[Any, Any]:
        """Two classes, 0 and 1."""
        return (self.number > np.median(self.number)).astype(int)


def make_data() -> Data:
    """The same rows each time; all values are exact in float32."""
    random = np.random.default_rng(7)
    values = np.round(random.normal(size=(ROWS, 3)) * 64) / 64
    table = pd.DataFrame(values, columns=["height", "width", "depth"])
    number = values @ [2.0, -1.0, 0.5] + 1
    return Data(table, number, np.digitize(number, [0.0, 2.0]))


def one_column(values: Any) -> pd.DataFrame:
    """Expected answers of a target with one number a row."""
    return pd.DataFrame({"Predictions": np.asarray(values, dtype="float64").reshape(-1)})


def from_positive(values: Any) -> pd.DataFrame:
    """Expected answers of a binary model that gives the positive class only."""
    positive = np.asarray(values, dtype="float64").reshape(-1)
    return pd.DataFrame({"no": 1 - positive, "yes": positive})


def by_label(values: Any, labels: list[str]) -> pd.DataFrame:
    """Expected answers of a model that gives a probability for each label."""
    return pd.DataFrame(np.asarray(values, dtype="float64"), columns=labels)


#: trains in a folder and returns the expected answers for the table
Train = Callable[[Path, Data], pd.DataFrame]


def run(cases: Mapping[str, Train]) -> None:
    """Do what the command line says: `CASE FOLDER`.

    The folder gets `model/` (the model folder), `input.csv` and `expected.csv`.
    """
    name, place = sys.argv[1], Path(sys.argv[2])
    data, model = make_data(), place / "model"
    model.mkdir(parents=True)
    expected = cases[name](model, data)
    data.table.to_csv(place / "input.csv", index=False)
    expected.to_csv(place / "expected.csv", index=False)
