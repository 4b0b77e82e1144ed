"""BentoML's service around a pickled estimator."""

import os
import pickle
from pathlib import Path

import bentoml
import numpy as np
import pandas as pd


@bentoml.service(workers=1, traffic={"timeout": 120})
class Predictor:
    """Predicts a table of records."""

    def __init__(self) -> None:
        path = Path(os.environ["MODEL_FILE"])
        self.model = pickle.loads(path.read_bytes())  # noqa: S301 - made by make_assets.py

    @bentoml.api
    def predict(self, df: pd.DataFrame) -> np.ndarray:
        """One number a row."""
        return self.model.predict(df)
