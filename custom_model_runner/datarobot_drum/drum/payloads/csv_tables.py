"""CSV by the rules of pandas, whole or in chunks; errors never show what the file holds."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
from pandas import DataFrame, RangeIndex, Series
from pandas.errors import DtypeWarning, EmptyDataError, ParserError

from datarobot_drum.drum.errors import InvalidInput
from datarobot_drum.drum.payloads.source import Payload

_UNREADABLE = "Pandas failed to read input binary data"
_BLANK_LINE = re.compile(rb"\n[ \t]*[\r\n]|\r[ \t]*\r|\r[ \t]+\n|[\r\n][ \t]+\Z")

_FAULTS = (UnicodeDecodeError, EmptyDataError, ParserError)

#: Beyond it an integer and the float of the same text may differ.
_EXACT_AS_FLOAT = 2**53

#: What pandas reads as missing, except beside integers over 63 bits: those it leaves as text.
_MISSING_WORDS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)

EMPTY = "No columns to parse from file"
_NO_DATA = "the data is empty; give a line with the names of the columns, and rows"

_NUMBERS = frozenset({"int64", "float64", "empty"})


def read_csv(payload: Payload) -> DataFrame:
    """Read a CSV payload as pandas does.

    In a table of one column a blank line is a missing value; with more columns it is skipped.
    """
    try:
        source = payload.open()
        frame = pd.read_csv(source)
        _refuse_surplus(frame, payload.open())
        if len(frame.columns) == 1 and _may_have_blank_lines(source):
            options = _keep_blank_lines(payload.open())
            again = pd.read_csv(payload.open(), **options)
            # They differ only where lone carriage returns stand above the header.
            frame = again if list(again.columns) == list(frame.columns) else frame
    except EmptyDataError:
        # clients know the bare words, which tell a person little
        raise InvalidInput(EMPTY if payload.from_request else f"{EMPTY}: {_NO_DATA}") from None
    except _FAULTS as error:
        raise _refusal(error) from None
    return frame


def csv_chunks(path: str | Path, rows: int) -> Iterator[DataFrame] | None:
    """A CSV file in frames of at most `rows` rows, or None where it must be read whole.

    The frames have the column types of a whole read and one continuing index. That needs two
    passes, and it is impossible where the types depend on seeing all rows at once, as in a
    column of both numbers and text.
    """
    options = _chunk_options(path, rows)
    first: DataFrame | None = None
    kinds: dict[Any, set[str]] = {}
    with warnings.catch_warnings():
        # Mixed types inside a chunk are found below; the whole read then warns of them.
        warnings.simplefilter("ignore", DtypeWarning)
        for number, frame in enumerate(_frames(path, options)):
            first = frame if number == 0 else None
            for name, column in frame.items():
                kinds.setdefault(name, set()).add(_kind(column))
            if first is None and None in map(_common_type, kinds.values()):
                return None
    if first is not None:
        return iter([first])
    types = {name: _common_type(seen) for name, seen in kinds.items()}
    return _frames(path, options | {"dtype": types}) if types else None


def _refusal(error: Exception) -> InvalidInput:
    if isinstance(error, UnicodeDecodeError):
        return InvalidInput("Supplied CSV input file encoding must be UTF-8.")
    if isinstance(error, EmptyDataError):
        return InvalidInput(f"{EMPTY}: {_NO_DATA}")
    return InvalidInput(f"{_UNREADABLE}: {_fault(str(error))}")


def _fault(message: str) -> str:
    """What pandas found wrong, in words of our own: its text may grow a quote of the data."""
    if found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message):
        return "expected {} fields in line {}, saw {}".format(*found.groups())
    if found := re.search(r"EOF inside string starting at row (\d+)", message):
        return f"the quote opened in line {int(found[1]) + 1} is never closed"
    return "the text is not CSV"


def _refuse_surplus(frame: DataFrame, source: BinaryIO) -> None:
    """Refuse a first row with more fields than the header.

    pandas takes the surplus for an index and shifts all columns. The index tells of that, unless
    it looks like the default one, as row numbers do; then the two lines themselves are compared.
    """
    width, index = frame.shape[1], frame.index
    saw = width + index.nlevels
    if type(index) is RangeIndex and index.start == 0 and index.step == 1:
        saw = _width_of_first_row(source) if len(index) else width
    if saw > width:
        raise InvalidInput(
            f"{_UNREADABLE}: expected {width} fields in the first row below the header, saw {saw}"
        )


def _width_of_first_row(source: BinaryIO) -> int:
    """How many fields the first row has that is not blank; the first line is the header."""
    header, row = source.readline(), source.readline()
    both = header + row
    if row.strip() and header.strip() and b'"' not in both and b"\r" not in both.rstrip(b"\r\n"):
        return row.count(b",") + 1
    source.seek(0)
    text = TextIOWrapper(source, "utf-8-sig", newline="")
    try:
        records = (record for record in csv.reader(text) if record and record != [""])
        next(records, None)
        return len(next(records, ()))
    except csv.Error:
        # a field of extraordinary length: pandas has read it, and found no index
        return 0
    finally:
        # the wrapper would close the source
        text.detach()


def _may_have_blank_lines(source: BinaryIO) -> bool:
    return not isinstance(source, BytesIO) or _BLANK_LINE.search(source.getbuffer()) is not None


def _keep_blank_lines(source: BinaryIO) -> dict[str, Any]:
    """Options for a table of one column; blank lines above its header stay without meaning."""
    leading = 0
    while (line := source.readline()) and not line.strip():
        leading += 1
    return {"skip_blank_lines": False, "skiprows": leading}


def _chunk_options(path: str | Path, rows: int) -> dict[str, Any]:
    options: dict[str, Any] = {"chunksize": rows}
    try:
        with Path(path).open("rb") as file:
            header = list(pd.read_csv(file, nrows=0).columns)
            file.seek(0)
            keep = _keep_blank_lines(file)
            file.seek(0)
            is_one = len(header) == 1 and list(pd.read_csv(file, nrows=0, **keep).columns) == header
            return options | keep if is_one else options
    except _FAULTS as error:
        raise _refusal(error) from None


def _frames(path: str | Path, options: dict[str, Any]) -> Iterator[DataFrame]:
    try:
        with Path(path).open("rb") as file:
            for number, frame in enumerate(pd.read_csv(file, **options)):
                if number == 0:
                    with Path(path).open("rb") as head:
                        _refuse_surplus(frame, head)
                yield frame
    except _FAULTS as error:
        raise _refusal(error) from None


def _kind(column: Series[Any]) -> str:
    kind = str(column.dtype)
    if kind == "float64" and column.isna().all():
        return "empty"
    if kind == "int64" and not -_EXACT_AS_FLOAT <= column.min() <= column.max() <= _EXACT_AS_FLOAT:
        return "large int64"
    if kind == "str" and column.isin(_MISSING_WORDS).any():
        return "large numbers"
    return kind


def _common_type(kinds: set[str]) -> str | None:
    if kinds <= {"int64", "large int64"}:
        return "int64"
    if kinds <= _NUMBERS:
        return "float64"
    if kinds <= {"str", "empty"}:
        return "str"
    return "bool" if kinds == {"bool"} else None
