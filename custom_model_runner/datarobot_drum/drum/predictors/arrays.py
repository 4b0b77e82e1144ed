"""Numbers on their way into and out of models that compute in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: a softmax in float32 passes 1 by a few units in the last place, never by more
ROUNDING = 1e-6


def float32_rows(table: pd.DataFrame) -> Any:
    """The rows as one float32 matrix; ValueError when a column is no number."""
    return table.to_numpy(dtype="float32")


def probabilities(values: Any) -> Any:
    """The values, with those brought back to 0 or 1 that are beyond it by rounding only."""
    import numpy as np

    array = np.asarray(values)
    if array.dtype.kind != "f":
        return array
    nearest = np.clip(array, 0, 1)
    return np.where(np.abs(array - nearest) <= ROUNDING, nearest, array)
