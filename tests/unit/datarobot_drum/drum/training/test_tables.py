"""Tables on their way to a trained model."""

from __future__ import annotations

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from datarobot_drum.drum.payloads import read_table
from datarobot_drum.drum.training.tables import (
    CSV,
    JSON,
    MTX,
    PARQUET,
    payload_of,
    sample_of,
    write_table,
)

DENSE = pd.DataFrame({"a": [1.5, None, 3.0], "b b": ["x,y", "\n", None]})
ONE_COLUMN = pd.DataFrame({"a": [1.0, None, 3.0]})
SPARSE = pd.DataFrame({"p": [0.0, 1.0], "q": [2.0, 0.0]}).astype(pd.SparseDtype("float64", 0.0))
WRITTEN_LIKE_NUMBERS = pd.DataFrame(
    {
        "zip": ["00701", None],
        "whole": [2**60 + 1, 2],
        "part": [0.1 + 0.2, None],
        "is": [True, False],
    }
)
DATES = pd.DataFrame({"at": pd.to_datetime(["2030-01-01", "2030-01-02"])})


@pytest.mark.parametrize(
    ("frame", "like", "suffix"),
    [
        (DENSE, CSV, ".csv"),
        (ONE_COLUMN, CSV, ".csv"),
        (ONE_COLUMN, MTX, ".csv"),
        (SPARSE, MTX, ".mtx"),
        (SPARSE, PARQUET, ".mtx"),
        (DATES, PARQUET, ".parquet"),
        (DATES, "application/vnd.apache.arrow.file", ".parquet"),
        (DENSE, JSON, ".json"),
        (WRITTEN_LIKE_NUMBERS, JSON, ".json"),
    ],
)
def test_table_is_read_back_as_it_was(tmp_path, frame, like, suffix):
    data = write_table(frame, tmp_path / "X", like)
    assert data.path == str(tmp_path / f"X{suffix}")
    payload = payload_of(data)
    assert payload.from_request
    assert_frame_equal(read_table(payload), frame, check_dtype=suffix != ".parquet")


@pytest.mark.parametrize(
    ("rows", "sampled"), [(3, 3), (10, 10), (50, 10), (500, 50), (20_000, 1000)]
)
def test_sample_is_a_tenth_within_bounds(rows, sampled):
    frame = pd.DataFrame({"a": range(rows)}, index=range(5, rows + 5))
    sample, positions = sample_of(frame)
    assert len(positions) == sampled
    assert list(sample["a"]) == positions
    assert sample_of(frame)[1] == positions
