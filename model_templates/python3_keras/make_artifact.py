"""Train on scikit-learn's diabetes data with Keras and write model.keras."""

from __future__ import annotations

import os
from pathlib import Path

# what `pip install 'opendrum[keras]'` brings; with TensorFlow installed leave this line out
os.environ.setdefault("KERAS_BACKEND", "jax")

import keras  # reads the variable when it is imported
from sklearn.datasets import load_diabetes

FEATURES = ["bmi", "bp", "s5"]


def main() -> None:
    """Train a small network on three of the ten columns and write."""
    keras.utils.set_random_seed(7)
    data = load_diabetes(as_frame=True)
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((len(FEATURES),)), *layers])
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse")
    model.fit(data.data[FEATURES].to_numpy(), data.target.to_numpy(), epochs=60, verbose=0)
    model.save(Path(__file__).with_name("model.keras"))


if __name__ == "__main__":
    main()
