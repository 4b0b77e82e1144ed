"""Tables on their way to a trained model."""

from __future__ import annotations

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from datarobot_drum.drum.payloads import read_table
from datarobot_drum.drum.training.tables import payload_of, sample_of, write_table

DENSE = pd.DataFrame({"a": [1.5, None, 3.0], "b b": ["x,y", "\n", None]})
ONE_COLUMN = pd.DataFrame({"a": [1.0, None, 3.0]})
SPARSE = pd.DataFrame({"p": [0.0, 1.0], "q": [2.0, 0.0]}).astype(pd.SparseDtype("float64", 0.0))
DATES = pd.DataFrame({"at": pd.to_datetime(["2030-01-01", "2030-01-02"])})


@pytest.mark.parametrize(
    ("frame", "typed", "suffix"),
    [
        (DENSE, False, ".csv"),
        (ONE_COLUMN, False, ".csv"),
        (SPARSE, False, ".mtx"),
        (SPARSE, True, ".mtx"),
        (DATES, True, ".parquet"),
    ],
)
def test_table_is_read_back_as_it_was(tmp_path, frame, typed, suffix):
    data = write_table(frame, tmp_path / "X", typed=typed)
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
