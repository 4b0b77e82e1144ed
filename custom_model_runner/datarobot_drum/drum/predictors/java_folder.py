"""Loads a model folder of Java and scores with it: scoring code, H2O models, classes of one's own.

Text in CSV goes to Java and its answer comes back as CSV, whose header holds the labels.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import InvalidInput, InvalidOutput, NotSupported, StartupError
from datarobot_drum.drum.payloads import (
    OutputRules,
    Payload,
    Predictions,
    UnsupportedFormat,
    check_predictions,
    check_row_count,
    is_supported,
    read_table,
    split_extra,
)
from datarobot_drum.drum.payloads.readers import CSV_TYPES, MTX
from datarobot_drum.drum.predictors import unstructured
from datarobot_drum.drum.predictors.child import ChildError, ChildProcess
from datarobot_drum.drum.predictors.frames import Frame
from datarobot_drum.drum.predictors.java_process import JavaSettings, reported, start_java
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.predictors.request import LoadRequest

if TYPE_CHECKING:
    from datarobot_drum.drum.model_folder import ModelMetadata, Target
    from datarobot_drum.drum.settings import Settings

#: The longest array of Java.
LIMIT = 2**31 - 1

#: How Java writes a number; some add spaces.
NUMBER = re.compile(r" *(NaN|[+-]?(Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)) *")

# an answer is in memory already: a cell of it may be as long as it is
csv.field_size_limit(max(csv.field_size_limit(), LIMIT))

#: The key under which a custom Java class learns where the model folder is.
MODEL_PATH = "__custom_model_path__"


def load(request: LoadRequest) -> JavaModel:
    """Start Java and load the artifact; StartupError says what is wrong or missing."""
    target = request.target
    if target.type is TargetType.TRANSFORM:
        raise StartupError("Java models cannot transform; use a Python or an R model")
    settings = java_settings(request.settings)
    process, answer = start_java(request.code_dir, _params(request), settings)
    is_unstructured = target.type is TargetType.UNSTRUCTURED
    if is_unstructured and not answer.header["unstructured"]:
        process.terminate()
        raise StartupError(
            "unstructured Java models need a class with a method predictUnstructured(byte[]); "
            "name it in DRUM_JAVA_CUSTOM_PREDICTOR_CLASS"
        )
    return JavaModel(
        target=target,
        language=request.language,
        rules=request.rules(),
        code_dir=request.code_dir,
        metadata=request.metadata,
        process=process,
    )


def java_settings(settings: Settings) -> JavaSettings:
    """The settings of Java among all others."""
    return JavaSettings(
        xmx=settings.java_xmx,
        predictor_class=settings.java_predictor_class,
        class_path=settings.java_class_path,
        shared_jars=settings.java_shared_jars,
    )


def read_answer(data: bytes | memoryview) -> pd.DataFrame:
    """The table that Java wrote, numbers to the last digit; InvalidOutput when it is none."""
    try:
        text = TextIOWrapper(BytesIO(data), "utf-8", newline="")
        names, *rows = [row for row in csv.reader(text, strict=True) if row]
        columns = [_numbers(values) for values in zip(*rows, strict=True)]
    except (ValueError, csv.Error) as error:
        raise InvalidOutput(f"the Java model did not answer with CSV: {error}") from error
    if rows and len(columns) != len(names):
        raise InvalidOutput(
            f"the Java model answered with {len(names)} names for {len(columns)} columns"
        )
    frame = pd.DataFrame(dict(enumerate(columns)), columns=range(len(names)))
    frame.columns = pd.Index(names, dtype=object)
    return frame


def _numbers(values: tuple[str, ...]) -> Any:
    try:
        return np.array([_number(value) for value in values])
    except ValueError:
        return pd.Series(values, dtype=object)


def _number(text: str) -> float:
    """A number as Java writes it; `float` alone would also take `2024_01` and words."""
    if text and not NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number")
    return float(text or "nan")


def _params(request: LoadRequest) -> dict[str, object]:
    target = request.target
    return {
        MODEL_PATH: request.code_dir,
        "target_type": target.type.value,
        "positiveClassLabel": target.positive_label,
        "negativeClassLabel": target.negative_label,
        "classLabels": list(target.labels) if target.positive_label is None else None,
    }


@dataclass(frozen=True)
class JavaModel(Model):
    """A model in a process of Java; its answers get the checks that those of Python models get."""

    payload_formats: ClassVar[Mapping[str, None]] = {"csv": None}

    target: Target
    language: str
    rules: OutputRules
    code_dir: str
    metadata: ModelMetadata | None
    process: ChildProcess

    def predict(self, payload: Payload) -> Predictions:
        """Read, predict and check; tables that are not CSV become CSV, sparse ones are refused."""
        if payload.media_type == MTX or not is_supported(payload):
            raise UnsupportedFormat(payload)
        table = read_table(payload)
        if payload.media_type not in CSV_TYPES:
            return self.predict_table(table, payload)
        return self._predict(payload.bytes(), len(table))

    def predict_table(self, table: Any, payload: Payload | None) -> Predictions:
        """Predict rows that were already read."""
        return self._predict(table.to_csv(index=False).encode(), len(table))

    def _predict(self, text: bytes, rows: int) -> Predictions:
        answer = self._ask({"op": "predict"}, text)
        frame, extra = split_extra(read_answer(answer.parts[0]), self.rules)
        frame = check_predictions(frame, list(frame.columns), self.rules)
        check_row_count(rows, len(frame), self.rules)
        return Predictions(frame, extra)

    def predict_unstructured(
        self,
        data: bytes | str,
        mimetype: str | None,
        charset: str | None,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None,
        *,
        mlops: object | None = None,
    ) -> unstructured.UnstructuredReply:
        """Answer data of any form by the method `predictUnstructured`, which gets bytes."""
        if self.target.type is not TargetType.UNSTRUCTURED:
            raise NotSupported("this Java model answers tables only")
        keywords = unstructured.keywords(mimetype, charset)
        arguments = {
            **keywords,
            "query": dict(query),
            "headers": None if headers is None else dict(headers),
        }
        body = data.encode() if isinstance(data, str) else data
        answer = self._ask({"op": "unstructured", "arguments": arguments}, body)
        return unstructured.to_reply(_body(answer))

    def terminate(self) -> None:
        """End the Java process."""
        self.process.terminate()

    def _ask(self, header: Mapping[str, object], data: bytes) -> Frame:
        if len(data) > LIMIT:
            raise InvalidInput("the data are too large for Java; send them in pieces below 2 GiB")
        try:
            return self.process.request(header, [data])
        except ChildError as error:
            raise reported(error) from error


def _body(answer: Frame) -> bytes | str | None:
    data = bytes(answer.parts[0])
    if answer.header["kind"] == "none":
        return None
    return data if answer.header["kind"] == "bytes" else data.decode("utf-8", "replace")
