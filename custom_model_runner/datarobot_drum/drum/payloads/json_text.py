"""JSON for anything that is not a table; it knows the values of NumPy and pandas by their shape.

Neither is imported: this is what a server speaks before its model is loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date
from typing import Any

#: the classes of `pandas.NaT` and `pandas.NA`
_MISSING = ("NaTType", "NAType")


def status_json(obj: object) -> bytes:
    """JSON of status routes and errors: compact, keys sorted, ASCII, with a final line end."""
    return (_dumps(obj, sort_keys=True, separators=(",", ":")) + "\n").encode()


def plain_json(obj: object) -> bytes:
    """JSON of the platform format: spaces after `,` and `:`, numbers in full."""
    return _dumps(obj).encode()


def _dumps(obj: object, **style: Any) -> str:
    try:
        return json.dumps(obj, allow_nan=False, default=_jsonable, **style)
    except (ValueError, TypeError):
        # NaN, or keys that cannot be sorted: rare, so only now is the object rebuilt.
        return json.dumps(_without_nan(obj), **style)


def _jsonable(value: object) -> object:
    """What JSON can hold in place of a value that it cannot."""
    if type(value).__name__ in _MISSING:
        return None
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, date):
        return value.isoformat()
    to_list = getattr(value, "tolist", None)
    return str(value) if to_list is None else to_list()


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return _without_nan(_jsonable(value))
