"""Trains the Keras cases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import pandas as pd
from tests.frameworks import training


def fit(last: keras.layers.Layer, loss: str, data: training.Data, wanted: object) -> keras.Model:
    """A few epochs of a small network."""
    keras.utils.set_random_seed(1)
    hidden = keras.layers.Dense(8, activation="relu")
    model = keras.Sequential([keras.Input((3,)), hidden, last])
    model.compile(optimizer="adam", loss=loss)
    model.fit(data.table.to_numpy(), wanted, epochs=3, verbose=0)
    return model


def native_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """Keras's own format: the positive class."""
    last = keras.layers.Dense(1, activation="sigmoid")
    model = fit(last, "binary_crossentropy", data, data.flag)
    model.save(folder / "model.keras")
    return training.from_positive(model.predict(data.table.to_numpy(), verbose=0))


def hdf5_multiclass(folder: Path, data: training.Data) -> pd.DataFrame:
    """The older format, HDF5."""
    last = keras.layers.Dense(3, activation="softmax")
    model = fit(last, "sparse_categorical_crossentropy", data, data.classes)
    model.save(folder / "model.h5")
    values = model.predict(data.table.to_numpy(), verbose=0)
    return training.by_label(values, ["a", "b", "c"])


def hdf5_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """One number a row."""
    model = fit(keras.layers.Dense(1), "mse", data, data.number)
    model.save(folder / "model.h5")
    return training.one_column(model.predict(data.table.to_numpy(), verbose=0))


def bare(folder: Path, data: training.Data, width: int) -> Any:
    """A model that gives `width` values a row; they are returned."""
    activation = "sigmoid" if width == 1 else "softmax"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(width, activation=activation)])
    model.save(folder / "model.keras")
    return model.predict(data.table.to_numpy(), verbose=0)


if __name__ == "__main__":
    training.run(
        {
            "native_binary": native_binary,
            "hdf5_multiclass": hdf5_multiclass,
            "hdf5_regression": hdf5_regression,
        }
    )
