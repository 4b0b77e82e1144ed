"""What a model may answer: columns, labels and numbers of each target type."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from pandas import DataFrame, Index, RangeIndex, Series
from pandas.api.types import is_complex_dtype, is_numeric_dtype

from datarobot_drum.drum.enum import PREDICTIONS_COLUMN, TargetType
from datarobot_drum.drum.errors import InvalidOutput
from datarobot_drum.drum.payloads.labels import match_labels

logger = logging.getLogger("drum.schema")

Array = np.ndarray[Any, Any]

#: As numpy's isclose against 1: absolute 1e-8 and relative 1e-5.
_SUM_TOLERANCE = 1e-5 + 1e-8
_REAL = "fiub"
_SHOWN_ROWS = 10
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Predictions:
    """A checked answer; both frames are indexed 0..n-1."""

    frame: DataFrame
    extra: DataFrame | None = None


@dataclass(frozen=True)
class OutputRules:
    """What the answers of one model must look like.

    `labels` of a binary model are (positive, negative), and may be left out for the two fields.
    """

    target_type: TargetType
    labels: tuple[str, ...] = ()
    positive_label: str | None = None
    negative_label: str | None = None
    target_name: str | None = None
    legacy_label_order: bool = False
    check_row_count: bool = True

    @cached_property
    def wanted_labels(self) -> tuple[str, ...]:
        """The requested labels; [positive, negative] for binary."""
        pair = (self.positive_label, self.negative_label)
        return self.labels or tuple(label for label in pair if label is not None)

    @cached_property
    def array_labels(self) -> tuple[str, ...]:
        """What the columns of an array without labels mean; [negative, positive] for binary."""
        if self.target_type is TargetType.BINARY and not self.legacy_label_order:
            return self.wanted_labels[::-1]
        return self.wanted_labels

    @cached_property
    def is_classification(self) -> bool:
        """One probability for each label?"""
        return self.target_type.is_classification

    @cached_property
    def is_numeric(self) -> bool:
        """One number a row?"""
        return self.target_type.is_numeric


def split_extra(frame: DataFrame, rules: OutputRules) -> tuple[DataFrame, DataFrame | None]:
    """Separate the prediction columns from what a hook returned besides.

    A single column of a one-column target needs no name; labels must match to the letter here.
    """
    wanted = rules.wanted_labels if rules.is_classification else _column_name(frame, rules)
    if frame.shape[1] <= len(wanted):
        return frame, None
    found = [str(name) for name in frame.columns]
    if missing := [name for name in wanted if name not in found]:
        raise InvalidOutput(
            f"cannot tell predictions from extra output: no column {missing} among {found}; "
            f"name the prediction columns {list(wanted)}"
        )
    is_prediction = np.isin(found, wanted)
    if is_prediction.all():
        return frame, None
    return frame.loc[:, is_prediction], frame.loc[:, ~is_prediction].reset_index(drop=True)


def check_predictions(
    values: DataFrame | Array, model_labels: Sequence[object] | None, rules: OutputRules
) -> DataFrame:
    """Check a model's answer and name its columns: `Predictions`, or the requested labels.

    The labels of a frame are its columns unless `model_labels` says otherwise. Numbers of a
    numeric target are parsed and checked too. The frame may be the one that was given.
    """
    table = values if isinstance(values, DataFrame) else _two_dimensional(values)
    if rules.is_classification:
        return _check_probabilities(table, model_labels, rules)
    if table.shape[1] != 1:
        raise InvalidOutput(
            "Regression, Text Generation, Agentic Workflow and anomaly predictions must contain "
            f"only 1 column. Your predictions have {table.shape[1]} columns"
        )
    frame = _named(table, (PREDICTIONS_COLUMN,))
    return as_numbers(frame) if rules.is_numeric else frame


def as_numbers(frame: DataFrame) -> DataFrame:
    """Numbers of a numeric target: texts are parsed, what is a number keeps its type.

    NaN and infinite values pass with one warning, since JSON can only show them as null.
    """
    array = frame.to_numpy()
    if array.dtype.kind not in _REAL:
        frame = _converted(frame, _parsed)
        array = frame.to_numpy(dtype="float64", na_value=np.nan)
    _warn_not_finite(array)
    return frame


def check_row_count(expected: int, found: int, rules: OutputRules) -> None:
    """Refuse an answer with more or fewer rows than the input, unless the rules allow it."""
    if found != expected and rules.check_row_count:
        raise InvalidOutput(
            f"the model returned {found} predictions for {expected} input rows; return one for "
            "each row, or set DRUM_CHECK_ROW_COUNT=false"
        )


def _column_name(frame: DataFrame, rules: OutputRules) -> tuple[str]:
    """The column that holds the prediction where there are several."""
    name = rules.target_name if rules.target_type.is_text else None
    if not name:
        return (PREDICTIONS_COLUMN,)
    is_quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return (name[1:-1] if is_quoted and name not in frame.columns else name,)


def _two_dimensional(values: Any) -> Array:
    array = np.asarray(values)
    if array.ndim == 1:
        return array.reshape(-1, 1)
    if array.ndim != 2:
        raise InvalidOutput(
            "predictions must return a 2 dimensional array, but we received a "
            f"{array.ndim} dimensional array"
        )
    return array


def _check_probabilities(
    table: DataFrame | Array, model_labels: Sequence[object] | None, rules: OutputRules
) -> DataFrame:
    if isinstance(table, DataFrame):
        found = table.columns if model_labels is None else model_labels
        names = _known_labels(found, table.columns, rules)
    elif model_labels is not None:
        names = _known_labels(model_labels, None, rules)
    else:
        table, names = _with_second_class(table, rules), rules.array_labels
    if table.shape[1] != len(names):
        raise InvalidOutput(
            "Your predictions must return the probability distribution for the correct number of "
            f"class labels. Expected {len(names)} columns, but received {table.shape[1]}"
        )
    frame = _named(table, names)
    array = frame.to_numpy()
    if array.dtype.kind not in _REAL:
        frame = _converted(frame, _probability_column)
        array = frame.to_numpy()
    _check_range(array)
    if rules.target_type is TargetType.MULTILABEL:
        _warn_not_finite(array)
    else:
        _check_sums(array)
    return frame


def _known_labels(
    found: Iterable[object], columns: Index[Any] | None, rules: OutputRules
) -> tuple[str, ...]:
    """The requested spelling of the labels that the model named, in the model's order."""
    wanted = rules.wanted_labels
    names = match_labels(tuple(map(str, found)), wanted)
    if names is None:
        labels = list(map(_plain_scalar, found))
        shown = columns if columns is not None and list(columns) == labels else labels
        raise InvalidOutput(
            f"Expected predictions to have columns {list(wanted)}, but encountered {shown!r}"
        )
    return names


def _plain_scalar(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _with_second_class(array: Array, rules: OutputRules) -> Array:
    """An array of one column holds the probability of the second class."""
    count = len(rules.wanted_labels)
    if array.shape[1] != 1 or rules.target_type is TargetType.MULTILABEL:
        return array
    if count != 2:
        raise InvalidOutput(
            "Only one dimension of probability returned, but there are "
            f"{count} class labels in this model"
        )
    if array.dtype.kind not in _REAL:
        array = array.astype("float64")
    return np.column_stack([1 - array, array])


def _check_range(array: Array) -> None:
    if (array < 0).any():
        raise InvalidOutput("Your prediction probabilities have negative values")
    if (array > 1).any():
        raise InvalidOutput("Your prediction probabilities have values greater than 1")


def _check_sums(array: Array) -> None:
    # A NaN row must fail: hence "is near 1", not "is far from 1".
    is_near = np.abs(array.sum(axis=1) - 1) <= _SUM_TOLERANCE
    if not is_near.all():
        rows = array[~is_near][:_SHOWN_ROWS]
        raise InvalidOutput(f"Your prediction probabilities do not add up to 1. \n{rows}")


def _warn_not_finite(array: Array) -> None:
    if array.dtype.kind == "f" and not (is_finite := np.isfinite(array)).all():
        count = int(array.size - is_finite.sum())
        logger.warning("%d of %d predictions are NaN or infinite", count, array.size)


def _converted(frame: DataFrame, convert: Callable[[Series[Any]], Series[Any]]) -> DataFrame:
    return DataFrame({name: convert(column) for name, column in frame.items()})


def _parsed(column: Series[Any]) -> Series[Any]:
    if is_complex_dtype(column.dtype):
        raise InvalidOutput("predictions must be real numbers, not complex ones")
    if is_numeric_dtype(column.dtype):
        return column
    try:
        return column.astype(object).astype("float64")
    except (ValueError, TypeError) as error:
        raise InvalidOutput(str(error)[:_SHOWN_CHARACTERS]) from None


def _probability_column(column: Series[Any]) -> Series[Any]:
    if any(isinstance(value, str) for value in column.tolist()):
        raise InvalidOutput(
            f"prediction probabilities must be numbers, but column {column.name!r} holds text"
        )
    return _parsed(column).astype("float64")


def _named(table: DataFrame | Array, names: tuple[str, ...]) -> DataFrame:
    """The table with these column names and index 0..n-1; nothing is copied from a frame."""
    if not isinstance(table, DataFrame):
        return DataFrame(table, columns=_index(names))
    index = table.index
    is_counted = type(index) is RangeIndex and index.start == 0 and index.step == 1
    if is_counted and tuple(table.columns) == names:
        return table
    frame = table.copy(deep=False)
    frame.columns = _index(names)
    frame.index = RangeIndex(len(frame))
    return frame


@lru_cache(maxsize=64)
def _index(names: tuple[str, ...]) -> Index[str]:
    # Making it anew costs more than all checks of a small answer.
    return Index(names)
