"""The classes that a `CustomTask` derives from: how it is trained, kept, loaded and asked."""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from datarobot_drum.custom_task_interfaces.provided import provided_secrets
from datarobot_drum.exceptions import DrumSerializationError

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.custom_task_interfaces.secret_types import AbstractSecret

ARTIFACT_NAME = "drum_artifact.pkl"

Task = TypeVar("Task", bound="CustomTaskInterface")


class CustomTaskInterface:
    """A task that is made without arguments, trained by `fit`, and kept by `save`.

    A subclass adds `predict`, `predict_proba` or `transform`, as its target type asks.
    """

    @property
    def secrets(self) -> dict[str, AbstractSecret]:
        """User secrets by their names: while `fit` runs, and in predictions from `load` on."""
        return provided_secrets()

    def fit(self, X: pd.DataFrame, y: pd.Series[Any], **kwargs: Any) -> Any:
        """Train on the data, and keep what was learned in attributes.

        Also passed by keyword: `output_dir`, `class_order`, `row_weights`, `parameters`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define fit(self, X, y, **kwargs)")

    def save(self, artifact_directory: str) -> Any:
        """Write the trained task to the folder; by default `save_task`."""
        self.save_task(artifact_directory)
        return self

    def save_task(self, artifact_directory: str, exclude: Iterable[str] | None = None) -> None:
        """Pickle this object as `drum_artifact.pkl`, with the attributes in `exclude` as None.

        A file that is there already is replaced only when the new one is complete. Raises
        DrumSerializationError.
        """
        path = Path(artifact_directory, ARTIFACT_NAME)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with self._without(list(exclude or ())):
            try:
                with part.open("wb") as file:
                    pickle.dump(self, file)
                part.replace(path)
            except OSError:
                raise
            except Exception as error:
                raise DrumSerializationError(
                    "An error occurred when saving your custom task. Ensure all variables stored "
                    f"on self are pickle-able or excluded when saving: {error}"
                ) from error
            finally:
                part.unlink(missing_ok=True)

    @contextmanager
    def _without(self, names: list[str]) -> Iterator[None]:
        for name in names:
            if not hasattr(self, name):
                raise DrumSerializationError(
                    f"The object named {name} passed in exclude= was not found"
                )
        values = {name: getattr(self, name) for name in names}
        try:
            for name in names:
                setattr(self, name, None)
            yield
        finally:
            for name, value in values.items():
                setattr(self, name, value)

    @classmethod
    def load(cls: type[Task], artifact_directory: str) -> Task:
        """The trained task in the folder; by default `load_task`."""
        return cls.load_task(artifact_directory)

    @classmethod
    def load_task(cls: type[Task], artifact_directory: str) -> Task:
        """Unpickle `drum_artifact.pkl`, which runs whatever code it holds: load trusted files."""
        with Path(artifact_directory, ARTIFACT_NAME).open("rb") as file:
            task = pickle.load(file)  # noqa: S301  # the user's own artifact
        if not isinstance(task, cls):
            raise DrumSerializationError(f"load_task method must return a {cls.__name__} class")
        return task

    @staticmethod
    def log_message(message: str) -> None:
        """Deprecated: print a message; use `print` or `logging`."""
        warnings.warn("log_message is deprecated; use logging", DeprecationWarning, stacklevel=2)
        sys.stdout.write(f"{message}\n")
        sys.stdout.flush()


class _PredictingTask(CustomTaskInterface):
    """A task that answers with one value a row."""

    def predict(self, X: pd.DataFrame, **kwargs: Any) -> pd.DataFrame:
        """One prediction for each row: a frame of one column."""
        raise NotImplementedError(f"{type(self).__name__} must define predict(self, X, **kwargs)")


class _ClassifyingTask(CustomTaskInterface):
    """A task that answers with one probability for each label."""

    def predict_proba(self, X: pd.DataFrame, **kwargs: Any) -> pd.DataFrame:
        """The probabilities of each row: a frame whose columns are named by the labels."""
        raise NotImplementedError(
            f"{type(self).__name__} must define predict_proba(self, X, **kwargs)"
        )


class RegressionEstimatorInterface(_PredictingTask):
    """Predicts a number for each row."""


class AnomalyEstimatorInterface(_PredictingTask):
    """Predicts how unusual each row is; `fit` is given None as `y`."""


class BinaryEstimatorInterface(_ClassifyingTask):
    """Predicts the probabilities of two classes."""


class MulticlassEstimatorInterface(_ClassifyingTask):
    """Predicts the probabilities of many classes."""


class TransformerInterface(CustomTaskInterface):
    """Changes the data; `fit` is given None as `y` where there is no target."""

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The changed data: as many rows as came in."""
        raise NotImplementedError(f"{type(self).__name__} must define transform(self, X)")
