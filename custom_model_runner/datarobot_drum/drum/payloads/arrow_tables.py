"""Arrow and Parquet tables; pyarrow is needed only once such a table arrives."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from pandas import DataFrame

from datarobot_drum.drum.errors import InvalidInput
from datarobot_drum.drum.payloads.source import Payload

_STREAM_MAGIC = b"\xff\xff\xff\xff"
_FILE_MAGIC = b"ARROW1"
_PARQUET_MAGIC = b"PAR1"


def is_arrow_stream(payload: Payload) -> bool:
    """Does it start as an Arrow IPC stream does?"""
    return _starts_with(payload, _STREAM_MAGIC)


def is_arrow_file(payload: Payload) -> bool:
    """Is it an Arrow IPC file? A stream passes too: both are called `.arrow`."""
    return _starts_with(payload, _FILE_MAGIC) or is_arrow_stream(payload)


def is_parquet(payload: Payload) -> bool:
    """Does it start as a Parquet file does?"""
    return _starts_with(payload, _PARQUET_MAGIC)


def read_arrow(payload: Payload) -> DataFrame:
    """Read an Arrow IPC stream or file."""
    ipc = _pyarrow("pyarrow.ipc")
    opener = ipc.open_stream if is_arrow_stream(payload) else ipc.open_file
    return _table("Arrow", lambda: opener(payload.open()).read_all())


def read_parquet(payload: Payload) -> DataFrame:
    """Read a Parquet file."""
    parquet = _pyarrow("pyarrow.parquet")
    return _table("Parquet", lambda: parquet.read_table(payload.open()))


def _starts_with(payload: Payload, magic: bytes) -> bool:
    return payload.open().read(len(magic)) == magic


def _pyarrow(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise InvalidInput(
            "Arrow and Parquet need pyarrow on the server; pip install 'opendrum[arrow]'"
        ) from None


def _table(kind: str, read: Callable[[], Any]) -> DataFrame:
    # what pandas stored along (names of types, an index) is the client's word like all else, and
    # pyarrow takes it as it is
    faults = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError)
    try:
        frame: DataFrame = read().to_pandas()
    except (_pyarrow("pyarrow").ArrowException, OSError, *faults):
        raise InvalidInput(f"the body is not a readable {kind} table") from None
    if not frame.columns.is_unique:
        raise InvalidInput("column names must differ from each other")
    # An index that pandas stored along is no feature.
    return frame.reset_index(drop=True)
