"""The `hyperparameters` of a metadata file: their rules and the defaults that `fit` uses."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datarobot_drum.drum.errors import DrumError

_NAME = re.compile(r"[A-Za-z]([A-Za-z_]*[A-Za-z])?")
_MAX_NAME = 64
_MAX_TEXT = 1024
_MAX_CHOICES = 24


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter; `default` is the value that training gets when no other is chosen."""

    name: str
    type: str
    default: int | float | str


def parse_hyperparameters(raw: Any) -> tuple[Hyperparameter, ...]:
    """Check the list, whose scalars are text as written; DrumError says what is wrong."""
    if not isinstance(raw, list):
        raise DrumError("model-metadata.yaml: 'hyperparameters' must be a list")
    parameters = tuple(_parse(item) for item in raw)
    names = [parameter.name for parameter in parameters]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DrumError(f"Invalid hyperparameters: duplicate names {', '.join(doubled)}")
    return parameters


def _parse(raw: Any) -> Hyperparameter:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        raise DrumError("Invalid hyperparameters: each must be a mapping with a text 'name'")
    name = _checked_name(raw["name"])
    kind = str(raw.get("type"))
    if kind not in _DEFAULTS:
        types = ", ".join(_DEFAULTS)
        raise DrumError(f"Invalid type {kind!r} of param {name}: use one of {types}")
    return Hyperparameter(name, kind, _DEFAULTS[kind](name, raw))


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise DrumError(
            f"Invalid param name: {name}. Only Eng characters and underscore are allowed. "
            "The parameter name should not start or end with the underscore."
        )
    if len(name) > _MAX_NAME:
        raise DrumError(f"Invalid param name: {name}. At most {_MAX_NAME} characters are allowed.")
    return name


def _number(kind: str, name: str, key: str, raw: Mapping[str, Any]) -> int | float:
    try:
        value: int | float = int(raw[key]) if kind == "int" else float(raw[key])
    except KeyError:
        raise DrumError(f"Invalid {kind} parameter {name}: '{key}' is missing") from None
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        wanted = "a whole number" if kind == "int" else "a number"
        raise DrumError(f"Invalid {kind} parameter {name}: '{key}' must be {wanted}")
    return value


def _number_default(kind: str) -> Callable[[str, Mapping[str, Any]], int | float]:
    def default(name: str, raw: Mapping[str, Any]) -> int | float:
        low, high = _number(kind, name, "min", raw), _number(kind, name, "max", raw)
        if high <= low:
            raise DrumError(f"Invalid {kind} parameter {name}: max must be greater than min")
        value = _number(kind, name, "default", raw) if "default" in raw else low
        if not low <= value <= high:
            raise DrumError(
                f"Invalid {kind} parameter {name}: default must be from {low} to {high}"
            )
        return value

    return default


def _string_default(name: str, raw: Mapping[str, Any]) -> str:
    value = raw.get("default", "")
    if not _is_short_text(value):
        raise DrumError(
            f"Invalid string parameter {name}: default must be text of at most "
            f"{_MAX_TEXT} characters"
        )
    return str(value)


def _select_default(name: str, raw: Mapping[str, Any]) -> str:
    values = raw.get("values")
    if not isinstance(values, list) or not 1 <= len(values) <= _MAX_CHOICES:
        raise DrumError(
            f"Invalid select parameter {name}: values must be a list of 1 to {_MAX_CHOICES} texts"
        )
    if not all(_is_short_text(value) for value in values):
        raise DrumError(
            f"Invalid select parameter {name}: each value must be text of at most "
            f"{_MAX_TEXT} characters"
        )
    return str(raw.get("default", values[0]))


def _multi_default(name: str, raw: Mapping[str, Any]) -> int | float | str:
    members = raw.get("values")
    if not isinstance(members, dict) or not members or not set(members) <= set(_MEMBERS):
        raise DrumError(
            f"Invalid multi parameter {name}: values must hold any of {', '.join(_MEMBERS)}"
        )
    defaults = {kind: _DEFAULTS[kind](name, _mapping(name, members[kind])) for kind in members}
    own = raw.get("default")
    return defaults[min(defaults)] if own is None else _converted(own, members)


def _mapping(name: str, raw: Any) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise DrumError(f"Invalid multi parameter {name}: each of values must be a mapping")
    return raw


def _converted(value: Any, members: Mapping[str, Any]) -> int | float | str:
    """A default of `multi` in the first type that can hold it."""
    for kind, convert in (("int", int), ("float", float)):
        try:
            if kind in members:
                return convert(value)
        except (TypeError, ValueError):
            continue
    return str(value)


def _is_short_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT


_MEMBERS = ("float", "int", "select")
_DEFAULTS: dict[str, Callable[[str, Mapping[str, Any]], int | float | str]] = {
    "int": _number_default("int"),
    "float": _number_default("float"),
    "string": _string_default,
    "select": _select_default,
    "multi": _multi_default,
}
