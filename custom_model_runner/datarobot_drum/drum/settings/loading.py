"""Finding and checking the values of a table of settings."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from datarobot_drum.drum.errors import UsageError
from datarobot_drum.drum.settings.ranges import describe_range, shown
from datarobot_drum.drum.settings.sources import Found, FromParam, find

logger = logging.getLogger("drum.settings")

Table = TypeVar("Table", bound=BaseModel)


def load_model(
    table: type[Table], environ: Mapping[str, str], overrides: dict[str, Any], *, warn: bool
) -> Table:
    """Fill a table from its sources; a bad value stops the start or gives way to its default.

    With `warn`, a value that gave way is logged.
    """
    fields = table.model_fields
    unknown = sorted(set(overrides) - set(fields))
    if unknown:
        raise TypeError(f"no such settings: {', '.join(unknown)}")
    found = {}
    for name, field in fields.items():
        hit = find(source_of(field), overrides.get(name), environ)
        if hit is not None:
            found[name] = hit
    return _without_bad_values(table, found, warn)


def load_setting(table: type[BaseModel], name: str, environ: Mapping[str, str]) -> Any:
    """One setting alone, without a word: for what must be known before anything is told.

    A bad value gives way to the default; `load_model` tells of it later.
    """
    field = table.model_fields[name]
    try:
        hit = find(source_of(field), None, environ)
        found = {} if hit is None else {name: hit}
        return getattr(_without_bad_values(table, found, warn=False), name)
    except UsageError:
        return field.default


def source_of(field: FieldInfo) -> FromParam:
    """Where a setting comes from."""
    return next(item for item in field.metadata if isinstance(item, FromParam))


def _without_bad_values(table: type[Table], found: dict[str, Found], warn: bool) -> Table:
    values = {name: hit.value for name, hit in found.items()}
    try:
        return table(**values)
    except ValidationError as error:
        bad = {str(fault["loc"][0]): fault for fault in error.errors(include_url=False)}
    for name, fault in bad.items():
        del values[name]
        warning = _fault(table.model_fields[name], found[name], fault.get("ctx", {}).get("error"))
        if warn:
            logger.warning("%s", warning)
    return table(**values)


def _fault(field: FieldInfo, found: Found, reason: ValueError | None) -> str:
    """What to warn of; UsageError where a warning is not enough."""
    wanted = describe_range(field)
    value = shown(found.value) if field.repr else "(not shown)"
    stops_on = source_of(field).stops_on
    if stops_on == "anything" or (stops_on == "text" and not _is_number(found.value)):
        hint = reason or f"use {wanted}"
        raise UsageError(f"{found.source} has the bad value {value}: {hint}")
    return (
        f"{found.source} has the bad value {value}; use {wanted}; {field.default!r} is used instead"
    )


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False
