"""Bytes that go out: JSON in three styles, CSV, and the form of a transform answer."""

from __future__ import annotations

import datetime as dt
import json
from io import BytesIO, StringIO
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import InvalidOutput
from datarobot_drum.drum.payloads import (
    OutputRules,
    plain_json,
    predictions_csv,
    predictions_json,
    status_json,
    transform_multipart,
)

REGRESSION = OutputRules(TargetType.REGRESSION)
BINARY = OutputRules(TargetType.BINARY, labels=("yes", "no"))
TEXT = OutputRules(TargetType.TEXT_GENERATION)

#: The stubs of pandas do not know it.
SPARSE: Any = pd.DataFrame.sparse


def predictions(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"Predictions": values})


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([2.5, 1 / 3], b"[2.5,0.3333333333]"),
        ([1, 2], b"[1.0,2.0]"),
        ([True, False], b"[1.0,0.0]"),
        (["1.5"], b"[1.5]"),
        ([1.23e-12, 1234567.891234567891], b"[0.0,1234567.8912345679]"),
        ([np.nan, np.inf, -np.inf], b"[null,null,null]"),
        (np.array([1 / 3], dtype="float32"), b"[0.3333333433]"),
        (pd.array([1, None], dtype="Int64"), b"[1.0,null]"),
        ([], b"[]"),
    ],
)
def test_numbers_are_written_with_ten_decimals(values: Any, written: bytes) -> None:
    body = predictions_json(predictions(values), None, REGRESSION)
    assert body == b'{"predictions":' + written + b"}"


def test_texts_are_written_in_ascii_with_slashes_escaped() -> None:
    values = pd.Series(['☃ "q" /slash', None, {"k": [1.5, None]}], dtype=object)
    assert predictions_json(predictions(values), None, TEXT) == (
        b'{"predictions":["\\u2603 \\"q\\" \\/slash",null,{"k":[1.5,null]}]}'
    )


class Loop:
    """Holds itself, so it has no end."""

    def __init__(self) -> None:
        self.next = self


@pytest.mark.parametrize("value", [Loop(), "\ud800", b"\xff"])
def test_text_that_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidOutput, match="cannot write the predictions as JSON"):
        predictions_json(predictions(pd.Series([value], dtype=object)), None, TEXT)


@pytest.mark.parametrize("labels", [("no", "yes"), ('a "b" /c', "100 %s", "{☃}\\"), ("one",)])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_probabilities_are_written_as_pandas_writes_records(
    labels: tuple[str, ...], rows: int
) -> None:
    values = np.random.default_rng(0).random((rows, len(labels)))
    values[:1] = [1 / 3, np.nan, 1.0][: len(labels)]
    frame = pd.DataFrame(values, columns=labels)
    body = predictions_json(frame, None, BINARY)
    assert body == f'{{"predictions":{frame.to_json(orient="records")}}}'.encode()


def test_extra_output_follows_the_predictions() -> None:
    extra = pd.DataFrame({"why": ["r0", None], "n": [0, 1]})
    body = predictions_json(predictions([1.0, 2.0]), extra, REGRESSION)
    assert body == (
        b'{"predictions":[1.0,2.0],"extraModelOutput":'
        b'{"columns":["why","n"],"index":[0,1],"data":[["r0",0],[null,1]]}}'
    )


def test_extra_dates_are_written_as_milliseconds() -> None:
    stamp = pd.Timestamp("2024-01-02T03:04:05Z")
    extra = pd.DataFrame({"a": [stamp, None], "b": [pd.Timedelta("1s"), None], "c": ["x", "y"]})
    body = json.loads(predictions_json(predictions([1, 2]), extra, REGRESSION))
    assert body["extraModelOutput"]["data"] == [[1704164645000, 1000, "x"], [None, None, "y"]]
    assert extra["a"].tolist()[0] == stamp


def test_extra_columns_may_share_a_name() -> None:
    extra = pd.DataFrame([[1, 2]], columns=["a", "a"])
    body = json.loads(predictions_json(predictions([1]), extra, REGRESSION))
    assert body["extraModelOutput"]["data"] == [[1, 2]]


def test_batch_csv_is_written_with_full_numbers_and_empty_nan() -> None:
    file = StringIO()
    frame = pd.DataFrame({"a": [0.05369811653126122, np.nan], "b": ['x, "y"', "z"]})
    predictions_csv(frame, file, header=True)
    predictions_csv(frame[1:], file, header=False)
    assert file.getvalue() == 'a,b\n0.05369811653126122,"x, ""y"""\n,z\n,z\n'


def test_batch_csv_of_one_column_quotes_the_empty_row() -> None:
    file = BytesIO()
    predictions_csv(predictions([1.5, np.nan]), file, header=True)
    assert file.getvalue() == b'Predictions\n1.5\n""\n'


def test_status_json_is_compact_and_sorted() -> None:
    assert status_json({"b": "☃", "a": [1, 2.5, None]}) == b'{"a":[1,2.5,null],"b":"\\u2603"}\n'


def test_plain_json_keeps_the_order_and_all_digits() -> None:
    assert plain_json({"b": 1 - 0.9, "a": [1, 2]}) == b'{"b": 0.09999999999999998, "a": [1, 2]}'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), b"null"),
        ([1, (float("inf"), {"k": float("nan")})], b'[1,[null,{"k":null}]]'),
        (np.float32(1.5), b"1.5"),
        (np.int64(7), b"7"),
        (np.array([1.0, np.nan]), b"[1.0,null]"),
        (pd.NaT, b"null"),
        ([pd.NA], b"[null]"),
        ({1}, b"[1]"),
        (dt.date(2024, 1, 2), b'"2024-01-02"'),
        (MappingProxyType({"a": 1}), b'{"a":1}'),
        ({1: "x", "y": float("nan")}, b'{"1":"x","y":null}'),
        ({1: "x", "y": True}, b'{"1":"x","y":true}'),
        (1j, b'"1j"'),
    ],
)
def test_status_json_writes_what_json_does_not_know(value: object, written: bytes) -> None:
    assert status_json(value) == written + b"\n"


def multipart(frame: pd.DataFrame, y: pd.DataFrame | None = None) -> dict[str, bytes]:
    """The parts by name, after a look at the framing."""
    body, content_type = transform_multipart(frame, y, "0a1b")
    assert content_type == "multipart/form-data; boundary=0a1b"
    assert body.startswith(b"--0a1b\r\n")
    assert body.endswith(b"\r\n--0a1b--\r\n")
    parts = {}
    for part in body[len(b"--0a1b\r\n") : -len(b"\r\n--0a1b--\r\n")].split(b"\r\n--0a1b\r\n"):
        head, _, content = part.partition(b"\r\n\r\n")
        parts[head.split(b'"')[1].decode()] = content
    return parts


def test_transform_answer_is_framed_as_recorded() -> None:
    frame = pd.DataFrame({"x": np.arange(2) / 3.0, "name, quoted": ['a"b'] * 2})
    body, _ = transform_multipart(frame, None, "34008c")
    assert body == (
        b'--34008c\r\nContent-Disposition: form-data; name="X.format"\r\n\r\ncsv\r\n'
        b'--34008c\r\nContent-Disposition: form-data; name="X.transformed"; '
        b'filename="X.transformed"\r\nContent-Type: application/octet-stream\r\n\r\n'
        b'x,"name, quoted"\r\n0.0,"a""b"\r\n0.3333333333333333,"a""b"\r\n--34008c--\r\n'
    )


def test_transform_answer_passes_y_on() -> None:
    y = SPARSE.from_spmatrix(csr_matrix([[1.0, 2.0], [3.0, 0.0]]))
    parts = multipart(pd.DataFrame({"a": [1, 2]}), y)
    assert list(parts) == ["X.format", "X.transformed", "y.format", "y.transformed"]
    assert parts["X.transformed"] == b"a\r\n1\r\n2"
    assert parts["y.format"] == b"csv"
    assert parts["y.transformed"] == b"0,1\r\n1.0,2.0\r\n3.0,0.0"


def test_transform_answer_of_a_sparse_frame_is_a_matrix_with_names() -> None:
    frame = SPARSE.from_spmatrix(csr_matrix(np.eye(2, 3)), columns=["c one", "b", "c"])
    assert multipart(frame) == {
        "X.format": b"sparse",
        "X.transformed": (
            b"%%MatrixMarket matrix coordinate real general\n%\n2 3 2\n1 1 1\n2 2 1\n"
        ),
        "X.colnames": b"c one\nb\nc",
    }


def test_transform_answer_of_partly_sparse_columns_is_a_matrix() -> None:
    frame = pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.5]), "b": [2.0, 0.0]})
    parts = multipart(frame)
    assert parts["X.transformed"].endswith(b"\n2 2 2\n2 1 1.5\n1 2 2\n")
    assert parts["X.colnames"] == b"a\nb"


def test_transform_answer_of_another_fill_value_is_a_matrix() -> None:
    frame = pd.DataFrame({"a": pd.arrays.SparseArray([1.0, 0.0, 1.0], fill_value=1.0)})
    assert multipart(frame)["X.transformed"].endswith(b"\n3 1 2\n1 1 1\n3 1 1\n")


def test_transform_answer_of_matrices_in_cells_is_one_matrix() -> None:
    rows = [csr_matrix([[0.0, 1.0]]), csr_matrix([[2.0, 0.0]])]
    parts = multipart(pd.DataFrame({"m": pd.Series(rows, dtype=object)}))
    assert parts["X.transformed"].endswith(b"\n2 2 2\n2 1 2\n1 2 1\n")
    assert parts["X.colnames"] == b"0\n1"


def test_transform_answer_without_rows_has_a_header_only() -> None:
    assert multipart(pd.DataFrame({"a": []}))["X.transformed"] == b"a"
    sparse = SPARSE.from_spmatrix(csr_matrix((0, 2)))
    assert multipart(sparse)["X.transformed"].endswith(b"\n0 2 0\n")


def test_transform_names_are_stripped_and_kept_on_one_line() -> None:
    frame = pd.DataFrame({" x\n1 ": [0], 5: [1]})
    assert multipart(frame)["X.transformed"] == b"x\\n1,5\r\n0,1"


def test_transform_name_of_white_space_is_refused() -> None:
    with pytest.raises(InvalidOutput) as refused:
        multipart(pd.DataFrame({" ": [0]}))
    assert str(refused.value) == (
        "Column name serialization check failed, deserializing column names resulted in 0, "
        "expected 1\nEnsure there are no column names made up entirely of whitespace"
    )
