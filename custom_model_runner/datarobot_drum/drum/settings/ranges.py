"""Words for the values a setting may have, for messages and for the reference page."""

from __future__ import annotations

import types
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from datarobot_drum.drum.enum import SERVER_TYPE_NAMES

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_SHOWN_CHARACTERS = 100


def describe_range(field: FieldInfo) -> str:
    """The values that a setting may have, such as `a whole number from 1 to 199`."""
    kind = plain_type(field.annotation)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(SERVER_TYPE_NAMES)}"
    return _WORDS.get(kind, "a list separated by commas") + _bounds(field.metadata)


def plain_type(annotation: Any) -> Any:
    """The type of a value that is not None, without its checks."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
    return annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation


def shown(value: Any) -> str:
    """A bad value as a message may show it; an object may be a credential and is not shown."""
    if not isinstance(value, (str, int, float)):
        return f"of type {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _bounds(metadata: list[Any]) -> str:
    low, high = "", ""
    for item in metadata:
        if isinstance(item, Ge):
            low = f" from {item.ge}"
        elif isinstance(item, Gt):
            low = f" above {item.gt}"
        elif isinstance(item, Le):
            high = f" to {item.le}"
    return low + (high or (" up" if low else ""))
