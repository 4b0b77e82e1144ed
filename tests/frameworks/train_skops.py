"""Trains the skops cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.frameworks import training


def pipeline_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """A pipeline of trusted types."""
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(data.table, np.array(["no", "yes"])[data.flag])
    skops.io.dump(model, folder / "model.skops")
    return training.by_label(model.predict_proba(data.table), list(model.classes_))


if __name__ == "__main__":
    training.run({"pipeline_binary": pipeline_binary})
