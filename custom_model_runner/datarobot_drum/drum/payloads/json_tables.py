"""JSON tables: a list of records, or columns and data apart (`split`)."""

from __future__ import annotations

import json
from typing import Any

from pandas import DataFrame

from datarobot_drum.drum.errors import InvalidInput
from datarobot_drum.drum.payloads.source import Payload

_LAYOUTS = ("records", "split", "auto")


def has_json_layout(payload: Payload) -> bool:
    """Does the content type say which layout the JSON has (`orient=`, or MLflow's `format=`)?"""
    return _layout(payload) in _LAYOUTS


def read_json(payload: Payload) -> DataFrame:
    """Read records (`[{"a": 1}]`) or split (`{"columns": ["a"], "data": [[1]]}`)."""
    try:
        value = json.loads(payload.bytes(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise InvalidInput("the body is not JSON in UTF-8") from None
    layout = _layout(payload)
    if layout == "auto":
        layout = "split" if isinstance(value, dict) else "records"
    return _from_split(value) if layout == "split" else _from_records(value)


def _layout(payload: Payload) -> str:
    chosen = payload.parameters.get("orient") or payload.parameters.get("format", "")
    return chosen.lower().removeprefix("pandas-")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise InvalidInput("a JSON object has the same key twice")
    return record


def _from_records(records: object) -> DataFrame:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InvalidInput("JSON records must be a list of objects, one for each row")
    if not records or not records[0]:
        raise InvalidInput("No columns to parse from file")
    columns = list(records[0])
    keys = records[0].keys()
    for number, record in enumerate(records):
        if record.keys() != keys:
            raise InvalidInput(f"record {number} has other keys than record 0; use null for none")
    return _table([[record[name] for name in columns] for record in records], columns)


def _from_split(value: object) -> DataFrame:
    if not isinstance(value, dict):
        raise InvalidInput('JSON in split layout must be {"columns": [...], "data": [[...], ...]}')
    columns, rows = value.get("columns"), value.get("data")
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise InvalidInput('JSON in split layout needs the lists "columns" and "data"')
    if not all(isinstance(name, str | int) for name in columns):
        raise InvalidInput("column names must be texts")
    if len(set(columns)) < len(columns):
        raise InvalidInput("column names must differ from each other")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise InvalidInput(f"row {number} must be a list of {len(columns)} values")
    return _table(rows, columns)


def _table(rows: list[list[Any]], columns: list[Any]) -> DataFrame:
    frame = DataFrame(rows, columns=columns)
    empty = [name for name in columns if rows and frame[name].isna().all()]
    # A column of nulls only is float in CSV; here it would be of type object.
    types: Any = dict.fromkeys(empty, "float64")
    return frame.astype(types) if empty else frame
