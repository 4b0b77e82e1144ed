"""Rounding of float32 models, and what is no rounding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from datarobot_drum.drum.predictors.arrays import float32_rows, probabilities

ABOVE_ONE = np.nextafter(np.float32(1), np.float32(2))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ABOVE_ONE, 1),
        (np.float32(-1e-8), 0),
        (np.float32(0.3), np.float32(0.3)),
        (np.float32(1.001), np.float32(1.001)),
        (np.float32(-0.001), np.float32(-0.001)),
        (1.0000000000000002, 1),
    ],
)
def test_only_what_exceeds_by_rounding_is_brought_back(value, expected):
    array = np.array([value])
    assert probabilities(array).tolist() == [expected]
    assert probabilities(array).dtype == array.dtype


def test_missing_and_whole_numbers_stay():
    assert np.isnan(probabilities(np.array([np.nan]))).all()
    assert probabilities([0, 1, 2]).tolist() == [0, 1, 2]


def test_rows_are_float32_and_text_is_refused():
    assert float32_rows(pd.DataFrame({"a": [1], "b": [0.5]})).dtype == "float32"
    with pytest.raises(ValueError, match="could not convert string to float"):
        float32_rows(pd.DataFrame({"a": ["x"]}))
