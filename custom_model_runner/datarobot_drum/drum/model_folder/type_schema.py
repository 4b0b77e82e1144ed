"""The `typeSchema` of a metadata file: what a task takes and what a transform gives."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from datarobot_drum.drum.errors import DrumError

Side = Literal["input", "output"]

_DATA_TYPES = ("NUM", "TXT", "CAT", "IMG", "DATE", "DATE_DURATION", "COUNT_DICT", "GEO")
_WORDS: dict[str, dict[Side, tuple[str, ...]]] = {
    "data_types": {"input": _DATA_TYPES, "output": _DATA_TYPES},
    "sparse": {
        "input": ("FORBIDDEN", "SUPPORTED", "REQUIRED"),
        "output": ("NEVER", "DYNAMIC", "ALWAYS", "IDENTITY"),
    },
    "contains_missing": {"input": ("FORBIDDEN", "SUPPORTED"), "output": ("NEVER", "DYNAMIC")},
}
_SET_CONDITIONS = ("EQUALS", "NOT_EQUALS", "IN", "NOT_IN")
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "GREATER_THAN": operator.gt,
    "LESS_THAN": operator.lt,
    "NOT_GREATER_THAN": operator.le,
    "NOT_LESS_THAN": operator.ge,
}
_CONDITIONS = {
    "data_types": _SET_CONDITIONS,
    "sparse": ("EQUALS",),
    "number_of_columns": (*_SET_CONDITIONS, *_COMPARISONS),
    "contains_missing": ("EQUALS",),
}
_WITH_MANY_VALUES = ("IN", "NOT_IN")
_MAY_BE_ZERO = ("NOT_IN", "NOT_EQUALS", "NOT_LESS_THAN", "GREATER_THAN")


@dataclass(frozen=True)
class Requirement:
    """One rule; `values` are words, or numbers for `number_of_columns`."""

    field: str
    condition: str
    values: tuple[str, ...] | tuple[int, ...]

    def accepts_number(self, number: int) -> bool:
        """Does a number meet the condition?"""
        if self.condition in _COMPARISONS:
            return _COMPARISONS[self.condition](number, int(self.values[0]))
        return (number in self.values) != self.condition.startswith("NOT_")

    def __str__(self) -> str:
        values = list(self.values) if len(self.values) > 1 else self.values[0]
        return f"{self.condition} {values}"


@dataclass(frozen=True)
class TypeSchema:
    """The rules for the data that a task is given and for the data it makes."""

    input_requirements: tuple[Requirement, ...] = ()
    output_requirements: tuple[Requirement, ...] = ()


def parse_type_schema(raw: Any) -> TypeSchema:
    """Check the section, whose scalars are text as written; DrumError says what is wrong."""
    if not isinstance(raw, dict):
        raise _fault("must be a mapping with input_requirements and output_requirements")
    unknown = sorted(set(raw) - {"input_requirements", "output_requirements"})
    if unknown:
        raise _fault(f"has unknown keys: {', '.join(unknown)}")
    return TypeSchema(
        _requirements(raw.get("input_requirements"), "input"),
        _requirements(raw.get("output_requirements"), "output"),
    )


def _requirements(raw: Any, side: Side) -> tuple[Requirement, ...]:
    if raw is None or raw == "":
        return ()
    if not isinstance(raw, list):
        raise _fault(f"{side}_requirements must be a list")
    return tuple(_requirement(item, side) for item in raw)


def _requirement(raw: Any, side: Side) -> Requirement:
    if not isinstance(raw, dict) or set(raw) != {"field", "condition", "value"}:
        raise _fault(f"each of {side}_requirements must have field, condition and value")
    field = _one_of(raw["field"], tuple(_CONDITIONS), "field")
    condition = _one_of(raw["condition"], _CONDITIONS[field], f"condition of {field}")
    values = raw["value"] if isinstance(raw["value"], list) else [raw["value"]]
    if not values:
        raise _fault(f"value of {field} is missing")
    if len(values) > 1 and condition not in _WITH_MANY_VALUES:
        raise _fault(f"{condition} only accepts a single value for: {values}")
    if field == "number_of_columns":
        return Requirement(field, condition, tuple(_count(value, condition) for value in values))
    words = _WORDS[field][side]
    checked = tuple(_one_of(value, words, f"value of {field}") for value in values)
    return Requirement(field, condition, checked)


def _one_of(value: Any, allowed: tuple[str, ...], what: str) -> str:
    if value not in allowed:
        raise _fault(f"{what} is {value!r}; use one of {', '.join(allowed)}")
    return str(value)


def _count(value: Any, condition: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise _fault(f"value of number_of_columns is {value!r}; use whole numbers") from None
    if number < 0:
        raise _fault(f"value of number_of_columns is {number}; use 0 or more")
    if number == 0 and condition not in _MAY_BE_ZERO:
        raise _fault(f"0 columns are possible only with {', '.join(_MAY_BE_ZERO)}")
    return number


def _fault(text: str) -> DrumError:
    return DrumError(f"model-metadata.yaml: typeSchema: {text}")
