"""Trains the LightGBM cases."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lightgbm
import pandas as pd
from tests.frameworks import training

OPTIONS = {"verbosity": -1, "min_data_in_leaf": 5, "num_leaves": 4, "deterministic": True}


def train(data: training.Data, wanted: Any, **options: object) -> lightgbm.Booster:
    """A small booster."""
    rows = lightgbm.Dataset(data.table, label=wanted)
    return lightgbm.train({**OPTIONS, **options}, rows, num_boost_round=5)


def text_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """A native model as text: one value a row, the positive class."""
    booster = train(data, data.flag, objective="binary")
    booster.save_model(folder / "model.txt")
    return training.from_positive(booster.predict(data.table))


def pickle_multiclass(folder: Path, data: training.Data) -> pd.DataFrame:
    """A native model in a pickle."""
    booster = train(data, data.classes, objective="multiclass", num_class=3)
    (folder / "model.pkl").write_bytes(pickle.dumps(booster))
    return training.by_label(booster.predict(data.table), ["a", "b", "c"])


def wrapper_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """The scikit-learn estimator."""
    model = lightgbm.LGBMRegressor(n_estimators=5, min_child_samples=5, verbosity=-1)
    model.fit(data.table, data.number)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return training.one_column(model.predict(data.table))


def bare(folder: Path, data: training.Data, width: int) -> Any:
    """A native model that gives `width` values a row; they are returned."""
    options = {"objective": "binary"} if width == 1 else {"objective": "multiclass"}
    classes = {} if width == 1 else {"num_class": width}
    wanted = data.classes if width == len(training.LABELS) else data.flag
    booster = train(data, wanted, **options, **classes)
    booster.save_model(folder / "model.model")
    return booster.predict(data.table)


if __name__ == "__main__":
    training.run(
        {
            "text_binary": text_binary,
            "pickle_multiclass": pickle_multiclass,
            "wrapper_regression": wrapper_regression,
        }
    )
