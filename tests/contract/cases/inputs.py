"""How data gets out of a request: content types, forms, CSV rules, Matrix Market, JSON, Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.contract.cases import models
from tests.contract.cases.case import MULTIPART, Case, form, post, predict

LINEAR = models.LINEAR
ROWS = b"a,b\n1,0\n2,1\n3.5,0.25\n"
GIVEN = [2.0, 14.0, 9.5]
MATRIX = b"%%MatrixMarket matrix coordinate real general\n2 2 3\n1 1 1.0\n1 2 2.0\n2 1 4.5\n"
MATRIX_GIVES = [22.0, 9.0]
MISSING = (
    "Samples should be provided as:   - a csv or mtx under `X` form-data param key.  - binary data"
)


def _unsupported(name: str) -> str:
    return (
        f"payload format `{name}` is not supported by predictor/transformer. "
        "Make DRUM support the format or implement `read_input_data` hook to read the data. "
    )


def _raw() -> Iterator[Case]:
    for name in (
        *(None, "", "text/csv", "text/plain", "TEXT/CSV", "text/csv; charset=utf-8"),
        *("text/csv;header=present", "text/csv; charset=latin1", "text/plain; charset=UTF-8"),
    ):
        yield predict(f"rows as {name!r}", LINEAR, ROWS, name, gives=GIVEN)
    yield predict("rows in pieces", LINEAR, ROWS, chunked=True, gives=GIVEN)
    yield predict(
        "rows with a wrong charset",
        LINEAR,
        b"a,b,t\n1,0,\xe9\n",
        "text/csv; charset=latin1",
        status=422,
        message="Supplied CSV input file encoding must be UTF-8.",
    )
    for name in (
        *("application/json", "application/octet-stream", "text/html", "garbage"),
        *("application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"),
    ):
        yield predict(
            f"rows as {name} are refused",
            LINEAR,
            ROWS,
            name,
            status=422,
            message=_unsupported(name),
        )
    for name in ("application/json; charset=utf-8", "Application/JSON"):
        message = _unsupported(name.partition(";")[0])
        yield predict(f"records as {name}", LINEAR, b'[{"a":1}]', name, status=422, message=message)


def _none() -> Iterator[Case]:
    yield predict("no body", LINEAR, b"", status=422, message=MISSING)
    yield predict("no body and no type", LINEAR, b"", None, status=422, message=MISSING)
    yield predict("no body for a reading model", models.READING, b"", status=422, message=MISSING)
    form_type = "application/x-www-form-urlencoded"
    yield predict(
        "rows as a URL-encoded form", LINEAR, ROWS, form_type, status=422, message=MISSING
    )
    yield predict("rubbish as a form", LINEAR, b"rubbish", MULTIPART, status=422, message=MISSING)
    yield predict("empty form", LINEAR, b"", MULTIPART, status=422, message=MISSING)
    yield predict(
        "form without a boundary",
        LINEAR,
        form(("X", "x.csv", ROWS)),
        "multipart/form-data",
        status=422,
        message=_unsupported("multipart/form-data"),
    )


def _forms() -> Iterator[Case]:
    for name in ("x.csv", "x", "", "x.json", "x.MTX", "x.mtx.csv", "a b.csv"):
        yield predict(
            f"form with rows called {name!r}",
            LINEAR,
            form(("X", name, ROWS)),
            MULTIPART,
            gives=GIVEN,
        )
    matrix = ("X", "x.mtx", MATRIX)
    yield predict("form with a matrix", LINEAR, form(matrix), MULTIPART, gives=MATRIX_GIVES)
    names = ("X.colnames", "names", b" b \na\n")
    yield predict(
        "form with a matrix and names", LINEAR, form(matrix, names), MULTIPART, gives=[14.0, 45.0]
    )
    yield predict(
        "form with names first", LINEAR, form(names, matrix), MULTIPART, gives=[14.0, 45.0]
    )
    text_names = ("X.colnames", None, b"b\na")
    yield predict(
        "names as a text field are ignored",
        LINEAR,
        form(matrix, text_names),
        MULTIPART,
        gives=MATRIX_GIVES,
    )
    short = ("X.colnames", "names", b"a")
    yield predict(
        "too few names",
        LINEAR,
        form(matrix, short),
        MULTIPART,
        status=422,
        message="Column length mismatch: 1 vs. 2",
    )
    other = ("X", "y.csv", b"a,b\n9,9\n")
    yield predict("first of two", LINEAR, form(("X", "x.csv", ROWS), other), MULTIPART, gives=GIVEN)
    yield predict(
        "form with other parts",
        LINEAR,
        form(("note", None, b"n"), ("z", "z.csv", b"z\n"), ("X", "x.csv", ROWS)),
        MULTIPART,
        gives=GIVEN,
    )
    yield predict(
        "form in pieces", LINEAR, form(("X", "x.csv", ROWS)), MULTIPART, chunked=True, gives=GIVEN
    )
    quoted = MULTIPART.replace("frontier", '"frontier"')
    yield predict(
        "form with a quoted boundary", LINEAR, form(("X", "x.csv", ROWS)), quoted, gives=GIVEN
    )
    yield predict(
        "form in capitals",
        LINEAR,
        form(("X", "x.csv", ROWS)),
        MULTIPART.replace("multipart", "MULTIPART"),
        gives=GIVEN,
    )
    for id, part in {
        "small x": ("x", "x.csv", ROWS),
        "X as a text field": ("X", None, ROWS),
        "y alone": ("y", "y.csv", ROWS),
    }.items():
        yield predict(f"form with {id}", LINEAR, form(part), MULTIPART, status=422, message=MISSING)
    yield predict(
        "empty X",
        LINEAR,
        form(("X", "x.csv", b"")),
        MULTIPART,
        status=422,
        message="No columns to parse from file",
    )
    cut = form(("X", "x.csv", ROWS))[:-20]
    yield predict("form that is cut off", LINEAR, cut, MULTIPART, status=422, says="multipart")


def _limits() -> Iterator[Case]:
    many = form(*(("p", None, b"") for _ in range(1001)), ("X", "x.csv", ROWS))
    yield predict(
        "form with too many parts", LINEAR, many, MULTIPART, status=413, says="1000 parts"
    )
    large = form(("note", None, b"n" * 600_000), ("X", "x.csv", ROWS))
    yield predict(
        "form with a large text field", LINEAR, large, MULTIPART, status=413, says="500000 bytes"
    )
    small = replace(LINEAR, environment=(("DRUM_FASTAPI_MAX_UPLOAD_SIZE", "30"),))
    yield predict(
        "body at the limit", small, b"a,b\n1,0\n" + b"1,0\n" * 5 + b"\n\n", gives=[2.0] * 6
    )
    for chunked in (False, True):
        how = "in pieces" if chunked else "with its length"
        over: dict[str, Any] = {"chunked": chunked, "status": 413, "says": "limit of 30 bytes"}
        yield predict(f"body over the limit {how}", small, b"a,b\n" + b"1,0\n" * 7, **over)
    refused: dict[str, Any] = {"status": 413, "says": "limit of 30 bytes", "stalls": True}
    declared = {"Content-Length": "31"}
    yield predict("body refused for its declared length", small, b"", send=declared, **refused)
    # more than a front reads at once
    large = ROWS * 5_000
    yield predict("body refused before its end", small, large, chunked=True, **refused)
    text = replace(models.UNSTRUCTURED, environment=small.environment)
    yield post(
        "unstructured body over the limit",
        text,
        "/predictUnstructured/",
        b"x" * 31,
        "text/plain",
        status=413,
        says="limit",
    )
    story = replace(models.TEXT, environment=(*models.TEXT.environment, *small.environment))
    yield post(
        "chat over the limit",
        story,
        "/chat/completions",
        b"{" + b" " * 31,
        "application/json",
        status=413,
        says="limit",
    )
    yield predict(
        "compressed rows",
        LINEAR,
        b"\x1f\x8b",
        status=415,
        says="gzip",
        send={"Content-Encoding": "gzip"},
    )
    yield predict(
        "rows encoded as they are", LINEAR, ROWS, gives=GIVEN, send={"Content-Encoding": "identity"}
    )
    big = b"a,b\n" + b"1,0\n" * 1_300_000
    yield predict("large body, kept on disk", models.LENGTH, big, "text/plain", gives=[len(big)])


def _csv() -> Iterator[Case]:
    for id, body, gives in (
        ("line ends of Windows", b"a,b\r\n1,0\r\n2,1\r\n", [2.0, 14.0]),
        ("a byte order mark", b"\xef\xbb\xbfa,b\n1,0\n", [2.0]),
        ("no last line end", b"a,b\n1,0", [2.0]),
        ("quotes", b'"a","b"\n"1","0"\n', [2.0]),
        ("more columns in another order", b"x,b,a\nt,1,2\n", [14.0]),
        ("blank lines among two columns", b"a,b\n1,0\n\n2,1\n\n", [2.0, 14.0]),
        ("a missing value", b"a,b\n1,\n2,1\n", [None, 14.0]),
    ):
        yield predict(f"CSV with {id}", LINEAR, body, gives=gives)
    yield predict(
        "CSV of one column with a blank line",
        models.REGRESSION,
        b"v\n1\n\n3\n",
        gives=[2.0, None, 6.0],
    )
    yield predict("CSV of a header only", models.REGRESSION, b"v\n", gives=[])
    for id, body, says in (
        ("only line ends", b"\n\n", "No columns to parse from file"),
        ("a surplus field in the first row", b"a,b\n1,2,secret\n", "expected 2 fields"),
        ("a surplus field later", b"a,b\n1,2\n1,2,secret\n", "expected 2 fields in line 3, saw 3"),
        ("an open quote", b'a,b\n1,"secret\n', "never closed"),
        ("bytes that are no text", b"a,b\n1,\xff\n", "must be UTF-8"),
    ):
        yield predict(f"CSV with {id}", LINEAR, body, status=422, says=says)


def _matrices() -> Iterator[Case]:
    yield predict("matrix", LINEAR, MATRIX, "text/mtx", gives=MATRIX_GIVES)
    yield predict(
        "matrix in capitals", LINEAR, MATRIX, "TEXT/MTX; charset=utf-8", gives=MATRIX_GIVES
    )
    message = "Line 1: Not a Matrix Market file. Missing banner."
    yield predict("no matrix", LINEAR, ROWS, "text/mtx", status=422, message=message)
    yield predict(
        "columns of a matrix are numbered", models.COLUMNS, MATRIX, "text/mtx", gives=["0,1"] * 2
    )


def _tables() -> Iterator[Case]:
    records = b'[{"a":1,"b":0},{"b":1,"a":2}]'
    split = b'{"columns":["a","b"],"data":[[1,0],[2,1]]}'
    json_type = "application/json; orient="
    yield predict("JSON records", LINEAR, records, f"{json_type}records", gives=[2.0, 14.0])
    yield predict("JSON split", LINEAR, split, f"{json_type}split", gives=[2.0, 14.0])
    yield predict(
        "JSON as MLflow says it",
        LINEAR,
        split,
        "application/json; format=pandas-split",
        gives=[2.0, 14.0],
    )
    yield predict(
        "JSON with null", LINEAR, b'[{"a":1,"b":null}]', f"{json_type}records", gives=[None]
    )
    for id, body, layout in (
        ("broken JSON", b"[{", "records"),
        ("an object for records", b"{}", "records"),
        ("numbers for records", b"[1]", "records"),
        ("records of unequal keys", b'[{"a":1},{"b":1}]', "records"),
        ("a list for split", b"[]", "split"),
        ("split without data", b'{"columns":["a"]}', "split"),
        ("split of unequal rows", b'{"columns":["a","b"],"data":[[1]]}', "split"),
    ):
        yield predict(id, LINEAR, body, f"{json_type}{layout}", status=422, says="")
    yield predict(
        "JSON of an unknown layout",
        LINEAR,
        records,
        f"{json_type}table",
        status=422,
        message=_unsupported("application/json"),
    )


CASES = (*_raw(), *_none(), *_forms(), *_limits(), *_csv(), *_matrices(), *_tables())
