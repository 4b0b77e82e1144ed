"""Trains the scikit-learn cases."""

from __future__ import annotations

import pickle
from pathlib import Path

import joblib
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.frameworks import training


def pickle_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """A pipeline in a pickle."""
    model = make_pipeline(StandardScaler(), Ridge()).fit(data.table, data.number)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return training.one_column(model.predict(data.table))


def joblib_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """A classifier whose labels are texts, in a joblib file."""
    labels = pd.Series(data.flag).map({0: "no", 1: "yes"})
    model = LogisticRegression().fit(data.table, labels)
    joblib.dump(model, folder / "model.joblib")
    return training.by_label(model.predict_proba(data.table), list(model.classes_))


def pickle_anomaly(folder: Path, data: training.Data) -> pd.DataFrame:
    """An outlier detector: what `predict` says, not the score."""
    model = IsolationForest(n_estimators=10, random_state=1).fit(data.table)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return training.one_column(model.predict(data.table))


if __name__ == "__main__":
    training.run(
        {
            "pickle_regression": pickle_regression,
            "joblib_binary": joblib_binary,
            "pickle_anomaly": pickle_anomaly,
        }
    )
