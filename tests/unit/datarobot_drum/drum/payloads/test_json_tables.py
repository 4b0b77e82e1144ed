"""JSON tables in both layouts, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from datarobot_drum.drum.errors import InvalidInput
from datarobot_drum.drum.payloads import Payload, is_supported, read_table

RECORDS = [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]
SPLIT = {"columns": ["a", "b"], "index": [7, 8], "data": [[1, "x"], [2, "y"]]}
TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def payload(value: object, **parameters: str) -> Payload:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Payload(content, media_type="application/json", parameters=parameters)


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        (RECORDS, {"orient": "records"}),
        (RECORDS, {"format": "pandas-records"}),
        (RECORDS, {"orient": "auto"}),
        (SPLIT, {"orient": "Split"}),
        (SPLIT, {"format": "pandas-split"}),
        (SPLIT, {"orient": "auto"}),
    ],
)
def test_json_is_read_in_the_layout_that_the_type_names(
    value: object, parameters: dict[str, str]
) -> None:
    assert_frame_equal(read_table(payload(value, **parameters)), TABLE)


@pytest.mark.parametrize("parameters", [{}, {"orient": "columns"}, {"format": "pandas-index"}])
def test_json_without_a_known_layout_is_not_supported(parameters: dict[str, str]) -> None:
    assert not is_supported(payload(RECORDS, **parameters))


def test_json_null_is_missing_as_in_csv() -> None:
    frame = read_table(
        payload(
            [{"a": 1, "b": None, "c": "x"}, {"a": None, "b": None, "c": None}], orient="records"
        )
    )
    assert [str(dtype) for dtype in frame.dtypes] == ["float64", "float64", "str"]
    assert frame.isna().sum().tolist() == [1, 2, 1]


def test_json_split_without_rows_is_an_empty_table() -> None:
    frame = read_table(payload({"columns": ["a", 1], "data": []}, orient="split"))
    assert frame.shape == (0, 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"{", "not JSON"),
        (b'["\xff"]', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ({"a": 1}, "must be a list of objects"),
        ([1], "must be a list of objects"),
        ([], "No columns to parse"),
        ([{}], "No columns to parse"),
        ([{"a": 1}, {"b": 1}], "record 1 has other keys"),
        ([{"a": 1}, {"a": 1, "b": 1}], "record 1 has other keys"),
        (b'[{"a": 1, "a": 2}]', "the same key twice"),
    ],
)
def test_json_records_of_a_wrong_shape_are_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_table(payload(value, orient="records"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "in split layout must be"),
        ({"columns": ["a"]}, 'lists "columns" and "data"'),
        ({"columns": "a", "data": []}, 'lists "columns" and "data"'),
        ({"columns": [None], "data": []}, "must be texts"),
        ({"columns": ["a", "a"], "data": []}, "must differ"),
        ({"columns": ["a"], "data": [[1], [1, 2]]}, "row 1 must be a list of 1"),
        ({"columns": ["a"], "data": [1]}, "row 0 must be a list of 1"),
    ],
)
def test_json_split_of_a_wrong_shape_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_table(payload(value, orient="split"))
