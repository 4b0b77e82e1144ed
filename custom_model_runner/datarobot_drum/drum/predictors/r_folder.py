"""Loads a model folder of R and scores with it: `custom.R`, an `.rds` artifact, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import (
    InvalidOutput,
    MalformedRequest,
    NotSupported,
    StartupError,
)
from datarobot_drum.drum.model_folder import check_output
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
from datarobot_drum.drum.payloads.readers import CSV_TYPES
from datarobot_drum.drum.predictors import r_tables, unstructured
from datarobot_drum.drum.predictors.child import ChildDied, ChildError, ChildProcess
from datarobot_drum.drum.predictors.frames import Frame
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.predictors.r_process import HINT, find_r_file, r_process, reported
from datarobot_drum.drum.predictors.request import LoadRequest

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.model_folder import ModelMetadata, Target

TARGETS = (
    TargetType.REGRESSION,
    TargetType.BINARY,
    TargetType.ANOMALY,
    TargetType.UNSTRUCTURED,
    TargetType.MULTICLASS,
    TargetType.TRANSFORM,
)

LOAD_FAILED = "An error occurred when loading your artifact: "


def load(request: LoadRequest) -> RModel:
    """Start R, run `init` and `load_model` or read the artifact.

    Raises StartupError that says what is wrong with the folder, or that R is not installed.
    """
    target = request.target
    if target.type not in TARGETS:
        raise StartupError(
            f"target type '{target.type.value}' is not supported by R models; use one of "
            f"{', '.join(known.value for known in TARGETS)}"
        )
    header = {
        "op": "load",
        "code_dir": request.code_dir,
        "custom": find_r_file(request.code_dir),
        "target": target.type.value,
        "labels": list(target.labels),
    }
    process = r_process(header)
    try:
        hooks = frozenset(process.start().header["hooks"])
    except ChildError as error:
        raise StartupError(f"{LOAD_FAILED}{reported(error)} {HINT}") from error
    except ChildDied as error:
        raise StartupError(f"{LOAD_FAILED}{error.with_last_lines()} {HINT}") from error
    return RModel(
        target=target,
        language=request.language,
        rules=request.rules(),
        code_dir=request.code_dir,
        metadata=request.metadata,
        process=process,
        hooks=hooks,
    )


@dataclass(frozen=True)
class RModel(Model):
    """A model in a process of R; its answers get the checks that those of Python models get.

    R reads CSV itself, since models depend on the types that `read.csv` chooses; any other format
    is read here. Text that is no CSV is refused before R sees it.
    """

    target: Target
    language: str
    rules: OutputRules
    code_dir: str
    metadata: ModelMetadata | None
    process: ChildProcess
    hooks: frozenset[str]

    @property
    def reads_raw_input(self) -> bool:
        """Does the folder read the request's bytes itself, whatever their format?"""
        return "read_input_data" in self.hooks

    def predict(self, payload: Payload) -> Predictions:
        """Read, predict and check."""
        return self._predict(*self._input(payload), is_request=payload.from_request)

    def predict_table(self, table: Any, payload: Payload | None) -> Predictions:
        """Predict rows that were already read."""
        fields, parts = r_tables.encode(table)
        return self._predict({"raw": False, "table": fields}, parts, is_request=False)

    def _predict(
        self, header: dict[str, Any], parts: r_tables.Parts, *, is_request: bool
    ) -> Predictions:
        answer = self._ask({"op": "predict", **header}, parts)
        frame, extra = self._checked(answer)
        if "post_process" in self.hooks:
            frame = self._post_processed(frame)
        # in batch a transform may drop rows; a client could not tell which are left
        rows = answer.header["rows" if is_request else "scored_rows"]
        if rows is not None:
            check_row_count(int(rows), len(frame), self.rules)
        return Predictions(frame, extra)

    def _checked(self, answer: Frame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        frame = r_tables.decode(answer.header["table"], answer.parts)
        if not answer.header["labelled"]:
            return check_predictions(frame.to_numpy(), None, self.rules), None
        frame, extra = split_extra(frame, self.rules)
        return check_predictions(frame, list(frame.columns), self.rules), extra

    def _post_processed(self, frame: pd.DataFrame) -> pd.DataFrame:
        fields, parts = r_tables.encode(frame)
        answer = self._ask({"op": "post_process", "table": fields}, parts)
        result = r_tables.decode(answer.header["table"], answer.parts)
        return check_predictions(result, list(result.columns), self.rules)

    def transform(self, payload: Payload, y: pd.DataFrame | None = None) -> pd.DataFrame:
        """The transform task: as many rows as came in; `y` is the target if the client sent it."""
        header, parts = self._input(payload)
        fields, own = (None, []) if y is None else r_tables.encode(y)
        header = {"op": "transform", **header, "part_count": len(parts), "y": fields}
        answer = self._ask(header, [*parts, *own])
        result = r_tables.decode(answer.header["table"], answer.parts)
        if answer.header["rows"] not in (None, len(result)):
            raise InvalidOutput(
                "Transformation resulted in different number of rows than original data"
            )
        if self.metadata is not None and self.metadata.type_schema is not None:
            check_output(result, self.metadata.type_schema.output_requirements)
        return result

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
        """Answer data of any form by the `score_unstructured` hook."""
        if "score_unstructured" not in self.hooks:
            raise NotSupported(unstructured.NO_HOOK)
        keywords = unstructured.keywords(mimetype, charset)
        if isinstance(data, bytes):
            data = unstructured.decoded(data, keywords)
        arguments = {**keywords, "query": dict(query)}
        if headers is not None:
            arguments["headers"] = dict(headers)
        is_text = isinstance(data, str)
        header = {"op": "unstructured", "text": is_text, "arguments": arguments}
        return _reply(self._ask(header, r_tables.checked([_for_r(data)])))

    def terminate(self) -> None:
        """End the R process."""
        self.process.terminate()

    def _input(self, payload: Payload) -> tuple[dict[str, Any], r_tables.Parts]:
        """What tells R the rows of a payload: as they were sent, or as they were read here."""
        if self.reads_raw_input:
            return {"raw": True}, r_tables.checked([payload.bytes()])
        if not is_supported(payload):
            raise UnsupportedFormat(payload)
        table = read_table(payload)
        if payload.media_type not in CSV_TYPES:
            has_names = payload.media_type != "text/mtx" or payload.column_names is not None
            fields, parts = r_tables.encode(table, named=has_names)
            return {"raw": False, "table": fields}, parts
        r_tables.names_of(table)
        text = payload.bytes().removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
        fields = {"form": "csv", "blank_lines": table.shape[1] == 1}
        return {"raw": False, "table": fields}, r_tables.checked([text])

    def _ask(self, header: Mapping[str, object], parts: r_tables.Parts) -> Frame:
        try:
            return self.process.request(header, parts)
        except ChildError as error:
            raise reported(error) from error


def _for_r(data: bytes | str) -> bytes:
    if isinstance(data, bytes):
        return data
    if "\0" in data:
        raise MalformedRequest(
            "a text for R cannot hold NUL characters; send it as application/octet-stream"
        )
    return data.encode("utf-8", "replace")


def _reply(answer: Frame) -> unstructured.UnstructuredReply:
    value: bytes | str | None = bytes(answer.parts[0])
    if answer.header["kind"] == "none":
        value = None
    elif answer.header["kind"] == "text":
        value = bytes(answer.parts[0]).decode("utf-8", "replace")
    options = {
        name: answer.header[name] for name in ("mimetype", "charset") if answer.header.get(name)
    }
    return unstructured.to_reply((value, options))
