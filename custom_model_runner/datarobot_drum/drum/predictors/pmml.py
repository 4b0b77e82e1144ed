"""PMML models, by pypmml, which runs PMML4S in a Java process."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from datarobot_drum.drum.errors import InvalidInput, InvalidOutput, StartupError
from datarobot_drum.drum.predictors.base import Predictor, RawPredictions
from datarobot_drum.drum.predictors.child import ChildDied
from datarobot_drum.drum.predictors.pmml_gateway import close_gateway, open_gateway

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.model_folder import Target

logger = logging.getLogger("drum.pmml")

#: Rows that go to Java at a time, as one text.
CHUNK = 10_000

#: Seconds that Java may take to end after it has left a call without an answer.
LAST_MOMENTS = 1.0

CLASSIFICATION = "classification"


class PmmlPredictor(Predictor):
    """Any model that PMML4S can evaluate."""

    name: ClassVar[str] = "pmml"
    suffixes: ClassVar[tuple[str, ...]] = (".pmml",)
    requirements: ClassVar[tuple[str, ...]] = ("pypmml",)
    modules: ClassVar[tuple[str, ...]] = ("pypmml",)
    extra: ClassVar[str | None] = "pmml"

    def __init__(self, model: Any, target: Target) -> None:
        super().__init__(model, target)
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: Path) -> Any:
        """Start Java and read the model."""
        from pypmml import Model

        if shutil.which("java") is None:
            raise StartupError(
                "PMML models need Java on the PATH: install it, on Debian with "
                "'apt-get install openjdk-17-jre-headless'"
            )
        process = open_gateway()
        try:
            model = Model.load(str(path))
            # a file may declare outputs of its own and leave out the probabilities
            model.setSupplementOutput(True)
        except Exception:
            close_gateway(process)
            raise
        model.java_process = process
        model.source = path
        return model

    @classmethod
    def accepts(cls, model: Any) -> bool:
        """Is it a model of pypmml? Without that in memory it cannot be one."""
        pypmml = sys.modules.get("pypmml")
        return pypmml is not None and isinstance(model, pypmml.Model)

    def predict(self, table: pd.DataFrame) -> RawPredictions:
        """Probabilities for classification, the predicted value for all else.

        ChildDied when Java ends meanwhile; the next request starts it and reads the model again.
        """
        with self._lock:
            if self._has_ended():
                self._load_again()
        try:
            return self._predict(table)
        except Exception as error:
            if _is_of_py4j(error):
                self._wait_for_the_end()
            if not self._has_ended():
                raise
            code = self.model.java_process.returncode
            died = ChildDied(
                f"the Java process of the PMML model ended with exit code {code}; "
                "the next request starts it again"
            )
            logger.error("%s", died)
            raise died from error

    def _has_ended(self) -> bool:
        process = getattr(self.model, "java_process", None)
        return process is not None and process.poll() is not None

    def _load_again(self) -> None:
        logger.warning("starting the Java process of the PMML model again")
        close_gateway(self.model.java_process)
        fresh = self.load(self.model.source)
        # hooks hold the model, so it must stay the same object
        fresh.__dict__, self.model.__dict__ = self.model.__dict__, fresh.__dict__

    def _wait_for_the_end(self) -> None:
        process = getattr(self.model, "java_process", None)
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LAST_MOMENTS)

    def _predict(self, table: pd.DataFrame) -> RawPredictions:
        missing = [name for name in self.model.inputNames if name not in table.columns]
        if missing:
            raise InvalidInput(
                f"columns that the model needs are missing: {missing}; "
                f"the input has {[str(name) for name in table.columns]}"
            )
        if self.target.type.is_classification:
            return self._probabilities(table)
        if self.model.functionName == CLASSIFICATION:
            raise InvalidOutput(
                "the PMML model is a classification; use a binary or multiclass target type"
            )
        columns, rows = self._evaluate(table)
        position = columns.index(self._value_field(columns))
        return RawPredictions(_floats([row[position] for row in rows]).reshape(-1, 1))

    def _probabilities(self, table: pd.DataFrame) -> RawPredictions:
        labels = list(self.model.classes)
        columns, rows = self._evaluate(table)
        names = self._probability_fields(labels, columns)
        positions = [columns.index(name) for name in names]
        values = [[row[position] for position in positions] for row in rows]
        return RawPredictions(_floats(values).reshape(-1, len(labels)), labels)

    def _evaluate(self, table: pd.DataFrame) -> tuple[list[str], list[list[Any]]]:
        """The output columns and their rows; texts in JSON carry every digit of a number."""
        columns: list[str] = []
        rows: list[list[Any]] = []
        for text in _chunks(table[list(self.model.inputNames)]):
            answer = json.loads(self.model.predict(text))
            columns = answer["columns"]
            rows += answer["data"]
        return columns or list(self.model.outputNames), rows

    def _value_field(self, columns: Sequence[str]) -> str:
        fields = self.model.outputFields
        found = [field.name for field in fields if field.feature == "predictedValue"]
        known = [name for name in found if name in columns]
        return known[0] if known else columns[0]

    def _probability_fields(self, labels: Sequence[Any], columns: Sequence[str]) -> list[str]:
        """The output column of each label: declared as such, else by the usual names."""
        declared = {
            str(field.value): field.name
            for field in self.model.outputFields
            if field.feature == "probability" and field.value is not None
        }
        names = []
        for label in map(str, labels):
            usual = (declared.get(label), f"probability({label})", f"probability_{label}")
            found = next((name for name in usual if name in columns), None)
            if found is None:
                raise InvalidOutput(f"the PMML model gives no probability for its label {label!r}")
            names.append(found)
        return names

    def close(self) -> None:
        """End the Java process; a model that is loaded later starts a new one."""
        close_gateway(getattr(self.model, "java_process", None))


def _is_of_py4j(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.startswith("py4j.")


def _chunks(table: pd.DataFrame) -> Iterator[str]:
    rows = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    names = [str(name) for name in table.columns]
    for start in range(0, len(rows), CHUNK):
        data = {"columns": names, "data": rows[start : start + CHUNK]}
        yield json.dumps(data, default=str)


def _floats(values: Any) -> Any:
    """Numbers; what a model did not predict is NaN."""
    return np.array(values, dtype=object).astype("float64")
