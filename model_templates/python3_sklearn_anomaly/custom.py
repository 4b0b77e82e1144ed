"""Score hook of the anomaly example; model.pkl is loaded without a hook."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.ensemble import IsolationForest


def score(data: pd.DataFrame, model: IsolationForest, **kwargs: Any) -> pd.DataFrame:
    """The anomaly score of each row, from 0 to 1: the higher, the stranger.

    Without this hook the answer is what `predict` gives: -1 for an outlier and 1 for the rest.
    """
    return pd.DataFrame({"Predictions": -model.score_samples(data)})
