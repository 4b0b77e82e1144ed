"""Tables that hypothesis makes, as bytes: CSV, JSON, Matrix Market, Arrow, Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from io import BytesIO, StringIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from hypothesis import strategies as st
from tests.parity.wire import Sent

Fields = list[tuple[bytes, bytes]]

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
#: What CSV readers take for something else than it is.
AWKWARD = st.sampled_from(
    [
        *("", " ", "NA", "NaN", "nan", "null", "None", "inf", "-Infinity", "1e400", "-0", "007"),
        *("1,5", "1_000", "True", "FALSE", "2026-11-25", "=1+1", '"', "'", "\n", "\r", ",", ";"),
        *("9" * 30, "0x1f", "1e-320", "\ufeff", "\u2028", "caf\u00e9", "\u2603", "\x00", "a" * 300),
    ]
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(allow_nan=True, width=64), st.integers(-9, 9)
)
CELLS = st.one_of(AWKWARD, TEXT, NUMBERS.map(str))
ASKED = st.sampled_from(
    [
        "fail-on-purpose",
        *(f"fail-on-purpose: {how}" for how in ("shape", "text", "array", "none", "nothing")),
    ]
)
#: Names repeat, are blank, or ask the model to fail.
NAMES = st.one_of(st.sampled_from(["a", "b", "c", "a", "1", ""]), AWKWARD, TEXT)
ENCODINGS = st.sampled_from(
    ["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "cp037"]
)
CHARSETS = st.sampled_from(
    ["utf-8", "UTF-8", "utf8", "latin1", "utf-16", "ascii", '"utf-8"', "klingon", "", "utf-8 x"]
)
MEDIA_TYPES = st.sampled_from(
    [
        *("text/csv", "text/csv", "TEXT/CSV", "text/plain", "text/mtx", "text/html", "text/*"),
        *("application/json", "application/octet-stream", "garbage", "/", "text/", "", " "),
        *("application/x-www-form-urlencoded", "multipart/form-data", "multipart/mixed"),
        *("application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"),
    ]
)
PARAMETERS = st.one_of(
    CHARSETS.map(lambda name: f"charset={name}"),
    st.sampled_from(
        [
            *("header=present", "boundary=x", "boundary=", 'boundary="', "=", "x", "a=b=c", ""),
            *("orient=records", "orient=split", "orient=auto", "ORIENT=Records", "orient=x"),
            *("format=pandas-split", "charset*=utf-8''utf-8", "q=0.5", 'x="a;b"', "x='a"),
        ]
    ),
)


@st.composite
def content_types(draw: st.DrawFn) -> bytes:
    """A media type with its parameters, right or wrong."""
    words = [draw(MEDIA_TYPES), *draw(st.lists(PARAMETERS, max_size=2))]
    return draw(st.sampled_from([";", "; ", " ; "])).join(words).strip().encode("latin-1")


@st.composite
def csv_bodies(draw: st.DrawFn) -> bytes:
    """A table as CSV: its cells, its dialect and its encoding are any."""
    names = draw(st.lists(NAMES, max_size=4))
    if draw(st.integers(0, 15)) == 0:
        names = [draw(ASKED), *names]
    width = len(names)
    ragged = draw(st.integers(0, 9)) == 0
    row = st.lists(CELLS, min_size=0 if ragged else width, max_size=width + ragged)
    rows = draw(st.lists(row, max_size=4))
    text = _csv(draw, [names, *rows] if names or rows else [])
    end = draw(st.integers(0, len(text))) if draw(st.integers(0, 9)) == 0 else len(text)
    return text[:end].encode(draw(ENCODINGS), "replace")


def _csv(draw: st.DrawFn, rows: Sequence[Sequence[str]]) -> str:
    file = StringIO(newline="")
    quoting: Any = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\n", "\r"]))
    delimiter = draw(st.sampled_from(",,,;\t"))
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerows(rows)
    return file.getvalue()


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda items: st.one_of(
        st.lists(items, max_size=2), st.dictionaries(st.text("ab", max_size=1), items, max_size=2)
    ),
    max_leaves=4,
)
NAMED_ROWS = st.lists(st.fixed_dictionaries({"a": JSON_VALUES, "b": JSON_VALUES}), max_size=3)
LAYOUTS: dict[str, st.SearchStrategy[Any]] = {
    "orient=records": NAMED_ROWS,
    "orient=auto": NAMED_ROWS,
    "orient=split": st.fixed_dictionaries(
        {
            "columns": st.lists(st.one_of(TEXT, st.sampled_from("ab")), max_size=2),
            "data": st.lists(st.lists(JSON_VALUES, max_size=2), max_size=3),
        }
    ),
    "format=pandas-split": st.just({"columns": ["a"], "index": [0], "data": [[1]]}),
}


@st.composite
def json_bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A content type and a table as JSON, or what looks like one."""
    layout = draw(st.sampled_from(sorted(LAYOUTS)))
    value = draw(st.one_of(LAYOUTS[layout], LAYOUTS[layout], JSON_VALUES))
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 7)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return f"application/json; {layout}".encode(), text.encode(draw(ENCODINGS), "replace")


@st.composite
def matrices(draw: st.DrawFn) -> bytes:
    """A table in the format of Matrix Market; its header may tell other sizes."""
    kind = draw(st.sampled_from(["coordinate", "coordinate", "array", "x"]))
    field = draw(st.sampled_from(["real", "integer", "pattern", "complex", "x"]))
    symmetry = draw(st.sampled_from(["general", "general", "symmetric", "x"]))
    rows, columns = draw(st.integers(-1, 4)), draw(st.integers(-1, 4))
    places = st.tuples(st.integers(0, 4), st.integers(1, 4), CELLS)
    entries = draw(st.lists(st.one_of(places, places.map(_plain)), max_size=4))
    lines = [f"%%MatrixMarket matrix {kind} {field} {symmetry}", "% comment"]
    count = draw(st.one_of(st.just(len(entries)), st.sampled_from([-1, 0, 10**12])))
    lines += [f"{rows} {columns} {count}", *(" ".join(map(str, entry)) for entry in entries)]
    return "\n".join(lines).encode()


def _plain(entry: tuple[int, int, str]) -> tuple[int, int, int]:
    return max(entry[0], 1), entry[1], len(entry[2])


ARROW_COLUMNS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.string(): st.one_of(AWKWARD, TEXT),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(),
    pa.binary(): st.binary(max_size=3),
    pa.decimal128(5, 2): st.decimals(-99, 99, places=2),
    pa.list_(pa.int64()): st.lists(st.integers(0, 9), max_size=2),
    pa.null(): st.none(),
    pa.dictionary(pa.int32(), pa.string()): st.sampled_from(["x", "y"]),
}


@st.composite
def arrow_tables(draw: st.DrawFn) -> pa.Table:
    """A table of Arrow with columns of many types, some without values or of one name."""
    count = draw(st.integers(0, 3))
    kinds = draw(st.lists(st.sampled_from(list(ARROW_COLUMNS)), max_size=3))
    names = draw(st.lists(NAMES, min_size=len(kinds), max_size=len(kinds)))
    columns = [
        pa.array([draw(st.one_of(st.none(), ARROW_COLUMNS[kind])) for _ in range(count)], kind)
        for kind in kinds
    ]
    return pa.Table.from_arrays(columns, names=names)


def _stream(table: pa.Table, file: BytesIO) -> None:
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def _file(table: pa.Table, file: BytesIO) -> None:
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


WRITERS: dict[bytes, Callable[[pa.Table, BytesIO], None]] = {
    b"application/vnd.apache.arrow.stream": _stream,
    b"application/vnd.apache.arrow.file": _file,
    b"application/vnd.apache.parquet": pa.parquet.write_table,
    b"application/x-parquet": pa.parquet.write_table,
}


@st.composite
def binary_tables(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A content type and a table in a binary format, whole or cut off."""
    kind = draw(st.sampled_from(sorted(WRITERS)))
    file = BytesIO()
    WRITERS[kind](draw(arrow_tables()), file)
    data = file.getvalue()
    end = draw(st.integers(0, len(data))) if draw(st.integers(0, 5)) == 0 else len(data)
    return draw(st.sampled_from([kind, kind, kind, b"text/csv"])), data[:end]


def to_predict(content_type: bytes | None, body: bytes, pieces: int = 0) -> Sent:
    """A prediction of that body."""
    headers = () if content_type is None else ((b"Content-Type", content_type),)
    return Sent(b"POST", b"/predict/", headers, body, pieces)


def _pair_to_predict(pair: tuple[bytes, bytes], pieces: int) -> Sent:
    return to_predict(pair[0], pair[1], pieces)


PIECES = st.sampled_from([0, 0, 0, 1, 2, 5])
TABLES: dict[str, st.SearchStrategy[Sent]] = {
    "CSV": st.builds(to_predict, st.just(b"text/csv"), csv_bodies(), PIECES),
    "content types": st.builds(to_predict, st.none() | content_types(), csv_bodies(), PIECES),
    "JSON": st.builds(_pair_to_predict, json_bodies(), PIECES),
    "Matrix Market": st.builds(to_predict, st.just(b"text/mtx"), matrices(), PIECES),
    "Arrow and Parquet": st.builds(_pair_to_predict, binary_tables(), PIECES),
}
