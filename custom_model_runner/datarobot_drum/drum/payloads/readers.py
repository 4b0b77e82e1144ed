"""From a payload to a table; the content type chooses the reader."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, BinaryIO

from pandas import DataFrame

from datarobot_drum.drum.errors import InvalidInput
from datarobot_drum.drum.payloads.arrow_tables import (
    is_arrow_file,
    is_arrow_stream,
    is_parquet,
    read_arrow,
    read_parquet,
)
from datarobot_drum.drum.payloads.csv_tables import csv_chunks as csv_chunks
from datarobot_drum.drum.payloads.csv_tables import read_csv
from datarobot_drum.drum.payloads.json_tables import has_json_layout, read_json
from datarobot_drum.drum.payloads.source import Payload

MTX = "text/mtx"
CSV_TYPES = (None, "", "text/csv", "text/plain")

#: Each column of a sparse frame is an object of its own, so a few bytes could ask for any amount.
MAX_MATRIX_COLUMNS = 2**20


class UnsupportedFormat(InvalidInput):
    """The content type is not one that can be read without a `read_input_data` hook.

    `source` is the payload, or the content type as the client wrote it.
    """

    def __init__(self, source: Payload | str | None) -> None:
        if isinstance(source, Payload):
            source = source.raw_content_type or source.media_type
        super().__init__(
            f"payload format `{source}` is not supported by predictor/transformer. "
            "Make DRUM support the format or implement `read_input_data` hook to read the data. "
        )


#: The stubs of pandas do not know it.
_SPARSE: Any = DataFrame.sparse


@dataclass(frozen=True)
class _Format:
    read: Callable[[Payload], DataFrame]
    recognises: Callable[[Payload], bool] = lambda payload: True


def is_supported(payload: Payload) -> bool:
    """Can `read_table` read this content type?

    Formats that old clients send in vain (JSON, Arrow, Parquet) also need a parameter or their
    magic bytes, so that those clients see the same refusal as ever.
    """
    return payload.media_type in CSV_TYPES or _format(payload) is not None


def read_table(payload: Payload) -> DataFrame:
    """Read a payload as a table.

    Raises InvalidInput when its bytes are not of its type, UnsupportedFormat for other types.
    """
    table = _reader(payload)(payload)
    payload.keep(table)
    return table


def _reader(payload: Payload) -> Callable[[Payload], DataFrame]:
    if payload.media_type in CSV_TYPES:
        return read_csv
    chosen = _format(payload)
    if chosen is None:
        raise UnsupportedFormat(payload)
    return chosen.read


def media_type_for_file(name: str) -> tuple[str, dict[str, str]]:
    """The media type, and its parameters, that a file's name stands for in batch scoring."""
    return _FILE_TYPES.get(PurePath(name).suffix, ("text/csv", {}))


def media_type_for_upload(filename: str | None) -> str | None:
    """`text/mtx` for a file part whose name ends in `.mtx`, None (CSV) for any other."""
    return MTX if PurePath(filename or "").suffix == ".mtx" else None


def column_names(data: bytes) -> list[str]:
    """The column names of a sparse table, one a line; blank lines name nothing.

    Raises InvalidInput when it is not UTF-8.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("the column names are not UTF-8; send one column name a line") from error
    return [line.strip() for line in text.split("\n") if line.strip()]


def read_matrix(payload: Payload) -> DataFrame:
    """Read a Matrix Market payload as a sparse table, its columns named 0..n-1 unless told."""
    from scipy.io import mmread
    from scipy.sparse import coo_matrix

    try:
        columns = _matrix_columns(payload)
        matrix = coo_matrix(mmread(_forward(payload.open())))
    except (ValueError, OverflowError) as error:
        raise InvalidInput(_matrix_fault(str(error))) from None
    names = payload.column_names
    if names is not None and len(names) != columns:
        raise InvalidInput(f"Column length mismatch: {len(names)} vs. {columns}")
    make: Callable[..., DataFrame] = _SPARSE.from_spmatrix
    return make(matrix, columns=names)


def _matrix_columns(payload: Payload) -> int:
    """The width that the header tells; refuses a header that asks for more than it can hold."""
    from scipy.io import mminfo

    _, columns, entries, _, field, _ = mminfo(_forward(payload.open()))
    if field == "complex":
        raise InvalidInput("the matrix holds complex numbers; send real ones")
    # An entry takes two bytes or more, but half of a symmetric matrix is left out.
    if entries > payload.size:
        raise InvalidInput("Truncated file. The header tells more entries than there are")
    if columns > MAX_MATRIX_COLUMNS:
        raise InvalidInput(f"the matrix has {columns} columns; send at most {MAX_MATRIX_COLUMNS}")
    return int(columns)


def _forward(source: BinaryIO) -> Any:
    return _Forward(source)  # the stubs of scipy want a whole file, its code wants `read`


class _Forward:
    """A file that can only be read on, and ends with a line end.

    scipy's parser would seek back from what it has read ahead, miscount in a file on disk, and
    end the whole process with the OSError that its destructor raises. After the
    place in a pattern it looks for the line end, and where there is none it reads address 0.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._is_ended = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._source.read(size)
        if data or self._is_ended or not size:
            return data
        self._is_ended = True
        return b"\n"


def _matrix_fault(message: str) -> str:
    """The parser's words up to where they would quote the data."""
    found = re.match(r"(?:Line \d+: )?[A-Za-z][A-Za-z0-9 .,-]*", message)
    return found[0].strip() if found else "not a Matrix Market file"


def _format(payload: Payload) -> _Format | None:
    chosen = _FORMATS.get(payload.media_type or "")
    return chosen if chosen and chosen.recognises(payload) else None


_PARQUET = _Format(read_parquet, is_parquet)
_FORMATS = {
    MTX: _Format(read_matrix),
    "application/json": _Format(read_json, has_json_layout),
    "application/vnd.apache.arrow.stream": _Format(read_arrow, is_arrow_stream),
    "application/vnd.apache.arrow.file": _Format(read_arrow, is_arrow_file),
    "application/vnd.apache.parquet": _PARQUET,
    "application/x-parquet": _PARQUET,
}

_FILE_TYPES: dict[str, tuple[str, dict[str, Any]]] = {
    ".mtx": (MTX, {}),
    ".json": ("application/json", {"orient": "auto"}),
    ".parquet": ("application/vnd.apache.parquet", {}),
    ".arrow": ("application/vnd.apache.arrow.file", {}),
}
