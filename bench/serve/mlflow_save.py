"""Save a pickled estimator in MLflow's format: `python mlflow_save.py FOLDER`."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import mlflow.sklearn

if __name__ == "__main__":
    path = Path(os.environ["MODEL_FILE"])
    model = pickle.loads(path.read_bytes())  # noqa: S301 - made by make_assets.py
    mlflow.sklearn.save_model(model, sys.argv[1], serialization_format="pickle")
