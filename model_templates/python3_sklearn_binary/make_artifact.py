"""Train a tumour classifier on scikit-learn's breast cancer data and write model.pkl."""

from __future__ import annotations

import pickle
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["mean radius", "mean texture", "mean smoothness", "mean concavity", "mean symmetry"]


def main() -> None:
    """Train on five of the thirty columns, with the labels as text, and write."""
    data = load_breast_cancer(as_frame=True)
    labels = data.target.map(dict(enumerate(data.target_names)))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(data.data[FEATURES], labels)
    Path(__file__).with_name("model.pkl").write_bytes(pickle.dumps(model))


if __name__ == "__main__":
    main()
