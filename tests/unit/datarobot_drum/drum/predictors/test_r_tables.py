"""Tables for R: what is written is what is read, and what R cannot hold is refused."""

from __future__ import annotations

import pandas as pd
import pytest

from datarobot_drum.drum.errors import InvalidInput
from datarobot_drum.drum.predictors import r_tables

NA = None


def there_and_back(frame: pd.DataFrame) -> pd.DataFrame:
    return r_tables.decode(*r_tables.encode(frame))


@pytest.mark.parametrize(
    ("values", "dtype", "kind", "wanted"),
    [
        ([1, -5], "int64", "integer", [1, -5]),
        ([1, NA], "Int64", "integer", [1, NA]),
        ([1, 2**31], "int64", "double", [1, 2**31]),
        ([1, -(2**31)], "int64", "double", [1, -(2**31)]),
        ([0.1, NA], "float64", "double", [0.1, NA]),
        ([0.5, NA], "Float64", "double", [0.5, NA]),
        ([True, False], "bool", "logical", [True, False]),
        ([True, NA], "boolean", "logical", [True, NA]),
        ([True, NA], "object", "logical", [True, NA]),
        (["é☃", ""], "object", "text", ["é☃", ""]),
        (["a", NA], "object", "text", ["a", NA]),
        (["a", NA], "string", "text", ["a", NA]),
        (["a", NA], "category", "text", ["a", NA]),
        ([1, "a"], "object", "text", ["1", "a"]),
        (["2020-01-02", NA], "datetime64[ns]", "text", ["2020-01-02 00:00:00", NA]),
    ],
)
def test_column_keeps_its_values(values, dtype, kind, wanted):
    frame = pd.DataFrame({"c": pd.Series(values, dtype=dtype)})
    fields, _ = r_tables.encode(frame)
    found = [NA if pd.isna(value) else value for value in there_and_back(frame)["c"]]
    assert fields["types"] == [kind]
    assert found == wanted


def test_names_and_row_numbers_are_kept_as_text_and_count():
    frame = pd.DataFrame([[1, "x", 2.5]], columns=["a", "a", 7], index=[9])
    found = there_and_back(frame)
    assert list(found.columns) == ["a", "a", "7"]
    assert found.to_numpy().tolist() == [[1, "x", 2.5]]
    assert list(found.index) == [0]


@pytest.mark.parametrize("frame", [pd.DataFrame({"a": []}), pd.DataFrame(index=[0, 1])])
def test_table_without_rows_or_columns_keeps_its_shape(frame):
    assert there_and_back(frame).shape == frame.shape


@pytest.mark.parametrize(("named", "names"), [(True, ["a", "b"]), (False, [0, 1])])
def test_sparse_table_stays_sparse(named, names):
    frame = pd.DataFrame({"a": [0, 1.5, 0], "b": [2.0, 0, 0]}).astype(pd.SparseDtype("float64", 0))
    fields, parts = r_tables.encode(frame, named=named)
    found = r_tables.decode(fields, parts)
    assert list(found.columns) == names
    assert found.to_numpy().tolist() == frame.to_numpy().tolist()
    assert all(isinstance(kind, pd.SparseDtype) for kind in found.dtypes)


def test_data_beyond_two_gibibytes_are_refused():
    # zeros that nobody writes to take no memory
    with pytest.raises(InvalidInput, match="too large for R"):
        r_tables.checked([bytes(1 << 31)])


def test_matrix_with_too_many_entries_is_refused(monkeypatch):
    monkeypatch.setattr(r_tables, "LIMIT", 1)
    frame = pd.DataFrame({"a": [1.5, 2]}).astype(pd.SparseDtype("float64", 0))
    with pytest.raises(InvalidInput, match="too many entries"):
        r_tables.encode(frame)
