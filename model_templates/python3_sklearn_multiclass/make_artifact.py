"""Train a random forest on scikit-learn's iris data and write it as model.pkl."""

from __future__ import annotations

import pickle
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier


def main() -> None:
    """Train with the species names as labels, so that `classes_` carries them, and write."""
    data = load_iris(as_frame=True)
    features = data.data.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
    species = data.target.map(dict(enumerate(data.target_names)))
    forest = RandomForestClassifier(n_estimators=50, max_depth=4, random_state=7)
    model = forest.fit(features, species)
    Path(__file__).with_name("model.pkl").write_bytes(pickle.dumps(model))


if __name__ == "__main__":
    main()
