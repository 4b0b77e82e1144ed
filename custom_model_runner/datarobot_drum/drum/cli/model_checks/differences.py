"""Whether two answers of a model agree, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Libraries add up in another order when rows come in another number; that is no difference.
RELATIVE = 1e-5
ABSOLUTE = 1e-7


def difference(answer: pd.DataFrame, expected: pd.DataFrame) -> str | None:
    """In words, where `answer` is not as expected; None where the two agree."""
    if len(answer) != len(expected):
        return f"{len(answer)} rows came back where {len(expected)} were expected"
    if set(answer.columns) != set(expected.columns):
        return f"the columns are {list(answer.columns)}, they were {list(expected.columns)}"
    import numpy as np

    differs = np.zeros(len(expected), dtype=bool)
    for position, name in enumerate(expected.columns):
        before = expected.iloc[:, position]
        after = answer.iloc[:, list(answer.columns).index(name)]
        differs |= _unequal(after, before)
    count = int(differs.sum())
    if not count:
        return None
    return f"{count} of {len(expected)} rows differ, first row {int(differs.argmax()) + 1}"


def _unequal(after: pd.Series[Any], before: pd.Series[Any]) -> Any:
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(after) and is_numeric_dtype(before):
        left, right = after.to_numpy(dtype=float), before.to_numpy(dtype=float)
        return ~np.isclose(left, right, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    # as text, in which a missing value equals another one
    return np.array([str(left) != str(right) for left, right in zip(after, before, strict=True)])
