"""Train a tumour classifier with XGBoost's own API and write it as model.json."""

from __future__ import annotations

from pathlib import Path

import xgboost
from sklearn.datasets import load_breast_cancer

FEATURES = ["mean radius", "mean texture", "mean smoothness", "mean concavity", "mean symmetry"]
OPTIONS = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.3, "seed": 7, "nthread": 1}


def main() -> None:
    """Train with malignant as class 1, the positive one, and write."""
    data = load_breast_cancer(as_frame=True)
    malignant = (data.target == 0).astype(int)
    rows = xgboost.DMatrix(data.data[FEATURES], label=malignant)
    booster = xgboost.train(OPTIONS, rows, num_boost_round=20)
    booster.save_model(Path(__file__).with_name("model.json"))


if __name__ == "__main__":
    main()
