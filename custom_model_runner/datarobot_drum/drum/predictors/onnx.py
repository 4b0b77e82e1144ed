"""ONNX files, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.payloads.labels import match_labels
from datarobot_drum.drum.predictors.arrays import probabilities
from datarobot_drum.drum.predictors.base import Predictor, RawPredictions
from datarobot_drum.drum.predictors.objects import is_instance_of

if TYPE_CHECKING:
    import pandas as pd

#: numpy's names for the types that inputs declare; any other input gets float32
TYPES: Mapping[str, str] = MappingProxyType(
    {
        "tensor(bool)": "bool",
        "tensor(double)": "float64",
        "tensor(float16)": "float16",
        "tensor(int32)": "int32",
        "tensor(int64)": "int64",
        "tensor(string)": "str",
    }
)
#: classifiers call their probabilities so, beside an output with the labels
PROBABILITIES = "prob"


class OnnxPredictor(Predictor):
    """An `InferenceSession`."""

    name: ClassVar[str] = "onnx"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    requirements: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    priority: ClassVar[int] = 70
    modules: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    extra: ClassVar[str | None] = "onnx"

    @classmethod
    def load(cls, path: Path) -> Any:
        """A session on what the installed runtime can use."""
        import onnxruntime

        names = onnxruntime.get_available_providers()
        providers = [name for name in names if name != "AzureExecutionProvider"]
        return onnxruntime.InferenceSession(str(path), providers=providers)

    @classmethod
    def accepts(cls, model: Any) -> bool:
        """Is it a session?"""
        return is_instance_of(model, "onnxruntime", "InferenceSession")

    def predict(self, table: pd.DataFrame) -> RawPredictions:
        """One output, without labels unless it has those of the target."""
        self.refuse_text()
        values = self.model.run([self._output()], _feed(self.model.get_inputs(), table))[0]
        if isinstance(values, list):
            return self._flattened(values)
        is_classification = self.target.type.is_classification
        return RawPredictions(probabilities(values) if is_classification else values)

    def _output(self) -> str:
        """The first output; of a classifier with several, the first with probabilities."""
        names = [str(output.name) for output in self.model.get_outputs()]
        if self.target.type.is_classification:
            return next((name for name in names if PROBABILITIES in name.lower()), names[0])
        return names[0]

    def _flattened(self, rows: Sequence[Any]) -> RawPredictions:
        """Rows from a list of dictionaries, in the order of the first one's keys.

        The keys are the labels, if they fit those of the target.
        """
        import numpy as np

        if not rows:
            return RawPredictions(np.empty((0, len(self.target.labels) or 1)))
        if not isinstance(rows[0], dict):
            return RawPredictions(np.asarray(rows))
        keys = list(rows[0])
        values = np.array([[row[key] for key in keys] for row in rows])
        fits = match_labels(tuple(map(str, keys)), self.target.labels) is not None
        return RawPredictions(probabilities(values), keys if fits else None, is_legacy_bare=True)


def _feed(inputs: Sequence[Any], table: pd.DataFrame) -> dict[str, Any]:
    """The table for the first input; or column by column, when all of several are columns."""
    if len(inputs) > 1 and all(entry.name in table.columns for entry in inputs):
        return {entry.name: _column(entry, table) for entry in inputs}
    return {inputs[0].name: _typed(inputs[0], table)}


def _column(entry: Any, table: pd.DataFrame) -> Any:
    values = _typed(entry, table[[entry.name]])
    return values.reshape(-1) if len(entry.shape) == 1 else values


def _typed(entry: Any, table: pd.DataFrame) -> Any:
    """The values as the input declares them; ValueError where a whole number is wanted and is none.

    numpy alone would cut fractions off.
    """
    name = TYPES.get(entry.type, "float32")
    if name == "str":
        return table.to_numpy(dtype="str").astype(object)
    values = table.to_numpy()
    typed = values.astype(name)
    if name.startswith("int") and (typed != values).any():
        raise ValueError(f"input {entry.name!r} takes whole numbers")
    return typed
