"""Keras models on any of its backends, and pipelines that end in one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.predictors.arrays import probabilities
from datarobot_drum.drum.predictors.base import Predictor, RawPredictions
from datarobot_drum.drum.predictors.objects import is_instance_of, last_step

if TYPE_CHECKING:
    import pandas as pd

BACKEND_VARIABLE = "KERAS_BACKEND"
#: each backend's name is that of its module; Keras takes the first unless it is told otherwise
BACKENDS = ("tensorflow", "jax", "torch")


class KerasPredictor(Predictor):
    """A `keras.Model`, or a scikit-learn pipeline that ends in one."""

    name: ClassVar[str] = "keras"
    suffixes: ClassVar[tuple[str, ...]] = (".h5", ".keras")
    requirements: ClassVar[tuple[str, ...]] = ("keras", "h5py", "jax or tensorflow")
    priority: ClassVar[int] = 10
    modules: ClassVar[tuple[str, ...]] = ("keras", "h5py", "jax", "tensorflow")
    extra: ClassVar[str | None] = "keras"

    @classmethod
    def load(cls, path: Path) -> Any:
        """The model, not compiled: it will not be trained."""
        choose_backend()
        import keras

        with _lower_case(path) as readable:
            return keras.models.load_model(readable, compile=False)

    @classmethod
    def accepts(cls, model: Any) -> bool:
        """Is it a Keras model, or such a pipeline?"""
        last = last_step(model)
        return any(is_instance_of(last, module, "Model") for module in ("keras", "tf_keras"))

    def predict(self, table: pd.DataFrame) -> RawPredictions:
        """What the last layer gives, without labels."""
        self.refuse_text()
        # without verbose=0 a progress bar goes to standard output
        values = self.model.predict(table, verbose=0)
        is_classification = self.target.type.is_classification
        return RawPredictions(probabilities(values) if is_classification else values)


@contextmanager
def _lower_case(path: Path) -> Iterator[Path]:
    """The file under a name whose ending Keras knows: it tells the format by it, in lower case."""
    if path.suffix == path.suffix.lower():
        yield path
        return
    with TemporaryDirectory() as folder:
        link = Path(folder, path.name.lower())
        link.symlink_to(path.resolve())
        yield link


def choose_backend() -> None:
    """Take an installed backend, unless one is chosen or the usual one is there."""
    if BACKEND_VARIABLE in os.environ or find_spec(BACKENDS[0]):
        return
    for name in BACKENDS[1:]:
        if find_spec(name):
            os.environ[BACKEND_VARIABLE] = name
            return
