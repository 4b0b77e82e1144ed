"""Trains the XGBoost cases."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import xgboost
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.frameworks import training


def booster_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """A native model as JSON: one value a row, the positive class."""
    matrix = xgboost.DMatrix(data.table, label=data.flag)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 2}, matrix, 5)
    booster.save_model(folder / "model.json")
    return training.from_positive(booster.predict(xgboost.DMatrix(data.table)))


def booster_multiclass(folder: Path, data: training.Data) -> pd.DataFrame:
    """A native model as universal binary JSON."""
    matrix = xgboost.DMatrix(data.table, label=data.classes)
    options = {"objective": "multi:softprob", "num_class": 3, "max_depth": 2}
    booster = xgboost.train(options, matrix, 5)
    booster.save_model(folder / "model.ubj")
    return training.by_label(booster.predict(xgboost.DMatrix(data.table)), ["a", "b", "c"])


def pipeline_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """A scikit-learn pipeline that ends in XGBoost, pickled."""
    model = make_pipeline(StandardScaler(), xgboost.XGBRegressor(n_estimators=5, max_depth=2))
    model.fit(data.table, data.number)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return training.one_column(model.predict(data.table))


def bare(folder: Path, data: training.Data, width: int) -> Any:
    """A native model that gives `width` values a row; they are returned."""
    objective = {"objective": "multi:softprob", "num_class": width, "max_depth": 2}
    options = {"objective": "binary:logistic", "max_depth": 2} if width == 1 else objective
    wanted = data.classes if width == len(training.LABELS) else data.flag
    booster = xgboost.train(options, xgboost.DMatrix(data.table, label=wanted), 5)
    booster.save_model(folder / "model.ubj")
    return booster.predict(xgboost.DMatrix(data.table))


if __name__ == "__main__":
    training.run(
        {
            "booster_binary": booster_binary,
            "booster_multiclass": booster_multiclass,
            "pipeline_regression": pipeline_regression,
        }
    )
