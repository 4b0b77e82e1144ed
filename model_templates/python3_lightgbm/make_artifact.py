"""Train on scikit-learn's diabetes data with LightGBM's own API and write model.txt."""

from __future__ import annotations

from pathlib import Path

import lightgbm
from sklearn.datasets import load_diabetes

FEATURES = ["bmi", "bp", "s5"]
OPTIONS = {
    "objective": "regression",
    "num_leaves": 7,
    "deterministic": True,
    "num_threads": 1,
    "seed": 7,
    "verbosity": -1,
}


def main() -> None:
    """Train on three of the ten columns and write."""
    data = load_diabetes(as_frame=True)
    rows = lightgbm.Dataset(data.data[FEATURES], label=data.target)
    booster = lightgbm.train(OPTIONS, rows, num_boost_round=30)
    booster.save_model(Path(__file__).with_name("model.txt"))


if __name__ == "__main__":
    main()
