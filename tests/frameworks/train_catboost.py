"""Trains the CatBoost cases."""

from __future__ import annotations

import pickle
from pathlib import Path

import catboost
import numpy as np
import pandas as pd
from tests.frameworks import training

OPTIONS = {"iterations": 5, "depth": 2, "verbose": False, "allow_writing_files": False}


def native_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """CatBoost's own format; it knows its labels, which are texts here."""
    model = catboost.CatBoostClassifier(**OPTIONS)
    model.fit(data.table, np.array(["no", "yes"])[data.flag])
    model.save_model(str(folder / "model.cbm"))
    return training.by_label(model.predict_proba(data.table), list(model.classes_))


def native_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """Counts: the model itself predicts their logarithm, the regressor the counts."""
    model = catboost.CatBoostRegressor(loss_function="Poisson", **OPTIONS)
    model.fit(data.table, data.classes)
    model.save_model(str(folder / "model.cbm"))
    return training.one_column(model.predict(data.table))


def pickle_multiclass(folder: Path, data: training.Data) -> pd.DataFrame:
    """A classifier in a pickle."""
    model = catboost.CatBoostClassifier(loss_function="MultiClass", **OPTIONS)
    model.fit(data.table, np.array(["a", "b", "c"])[data.classes])
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return training.by_label(model.predict_proba(data.table), list(model.classes_))


if __name__ == "__main__":
    training.run(
        {
            "native_binary": native_binary,
            "native_regression": native_regression,
            "pickle_multiclass": pickle_multiclass,
        }
    )
