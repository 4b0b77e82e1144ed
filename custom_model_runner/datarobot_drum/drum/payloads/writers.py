"""From checked predictions to bytes: JSON, CSV and multipart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from typing import IO, Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from datarobot_drum.drum.errors import InvalidOutput
from datarobot_drum.drum.payloads.schema import OutputRules


def predictions_json(predictions: DataFrame, extra: DataFrame | None, rules: OutputRules) -> bytes:
    """The body of a predict answer: at most 10 decimals, null for NaN, `/` written `\\/`."""
    try:
        if rules.is_classification:
            values = _label_records(predictions)
        elif rules.is_numeric:
            values = _numbers(_floats(predictions))
        else:
            values = predictions.iloc[:, 0].to_json(orient="records")
        extras = "" if extra is None else f',"extraModelOutput":{_split_json(extra)}'
        return f'{{"predictions":{values}{extras}}}'.encode()
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidOutput(f"cannot write the predictions as JSON: {error}") from error


def predictions_csv(frame: DataFrame, file: IO[Any], header: bool) -> None:
    """Write rows of a batch result; numbers in full, NaN as an empty field."""
    frame.to_csv(file, index=False, header=header, lineterminator="\n")


def transform_multipart(frame: DataFrame, y: DataFrame | None, boundary: str) -> tuple[bytes, str]:
    """The body of a transform answer and its content type; `y` is passed on unchanged."""
    names = _written_names(frame)
    parts = (
        [*_sparse_parts(frame, names)] if _is_sparse(frame) else [*_csv_parts("X", frame, names)]
    )
    if y is not None:
        parts += _csv_parts("y", y, [str(name) for name in y.columns])
    lines = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    body = b"%b--%b--\r\n" % (lines, boundary.encode())
    return body, f"multipart/form-data; boundary={boundary}"


def epoch_milliseconds(frame: DataFrame) -> DataFrame:
    """The frame with its date and duration columns as whole milliseconds, None where missing."""
    columns = [number for number, dtype in enumerate(frame.dtypes) if dtype.kind in "mM"]
    frame = frame.copy(deep=False) if columns else frame
    for number in columns:
        values = frame.iloc[:, number]
        unit = f"{values.dtype.kind}8[ms]"
        milliseconds = Series(values.to_numpy(dtype=unit).astype("int64"), dtype=object)
        frame.isetitem(number, milliseconds.where(values.notna().to_numpy(), None).to_numpy())
    return frame


def _floats(frame: DataFrame) -> np.ndarray[Any, Any]:
    return frame.to_numpy(dtype="float64", na_value=np.nan)


def _numbers(array: np.ndarray[Any, Any]) -> str:
    return Series(array.reshape(-1)).to_json(orient="records")


def _label_records(frame: DataFrame) -> str:
    """A list of objects, label to probability; several times faster than a frame's to_json."""
    template = _row_template(tuple(frame.columns))
    numbers = _numbers(_floats(frame))[1:-1].split(",") if len(frame) else []
    return f"[{','.join([template] * len(frame)) % tuple(numbers)}]"


@lru_cache(maxsize=64)
def _row_template(labels: tuple[str, ...]) -> str:
    keys = (json.dumps(label).replace("/", "\\/").replace("%", "%%") for label in labels)
    return "{{{}}}".format(",".join(f"{key}:%s" for key in keys))


def _split_json(frame: DataFrame) -> str:
    return epoch_milliseconds(frame).to_json(orient="split", date_unit="ms")


def _written_names(frame: DataFrame) -> list[str]:
    names = [str(name).strip().replace("\n", "\\n") for name in frame.columns]
    named = sum(1 for name in names if name)
    if named != len(names):
        raise InvalidOutput(
            "Column name serialization check failed, deserializing column names resulted in "
            f"{named}, expected {len(names)}\n"
            "Ensure there are no column names made up entirely of whitespace"
        )
    return names


def _is_sparse(frame: DataFrame) -> bool:
    from scipy.sparse import issparse

    has_sparse_column = any(isinstance(dtype, pd.SparseDtype) for dtype in frame.dtypes)
    return has_sparse_column or bool(frame.size and issparse(frame.iloc[0, 0]))


def _csv_parts(name: str, frame: DataFrame, columns: list[str]) -> Iterator[bytes]:
    frame = frame.set_axis(columns, axis=1)
    text = frame.to_csv(index=False, lineterminator="\r\n")
    yield _field(f"{name}.format", b"csv")
    yield _file(f"{name}.transformed", text.removesuffix("\r\n").encode())


def _sparse_parts(frame: DataFrame, names: list[str]) -> Iterator[bytes]:
    from scipy.io import mmwrite

    matrix = _matrix(frame)
    if matrix.shape[1] != len(names):
        names = [str(number) for number in range(matrix.shape[1])]
    text = BytesIO()
    mmwrite(text, matrix, symmetry="general")
    yield _field("X.format", b"sparse")
    yield _file("X.transformed", text.getvalue())
    yield _file("X.colnames", "\n".join(names).encode())


def _matrix(frame: DataFrame) -> Any:
    """All of the frame as one matrix, entries by column; cells may be matrices, one for a row."""
    from scipy.sparse import coo_matrix, csc_matrix, issparse, vstack

    first: Any = frame.iloc[0, 0] if frame.size else None
    if issparse(first):
        return vstack(frame.iloc[:, 0].tolist()).tocsc().tocoo()
    sparse: Any = frame
    try:
        return sparse.sparse.to_coo()
    except (AttributeError, ValueError):
        # Dense columns between, or another fill value than zero.
        return coo_matrix(csc_matrix(_floats(frame)))


def _field(name: str, content: bytes) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content


def _file(name: str, content: bytes) -> bytes:
    head = (
        f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + content
