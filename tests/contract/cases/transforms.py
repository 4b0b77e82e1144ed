"""Transform models: forms in, forms out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.contract.cases import models
from tests.contract.cases.case import MULTIPART, Case, form, post
from tests.contract.cases.inputs import MATRIX, MISSING

Part = tuple[str, str | None, bytes]
TRANSFORM = models.TRANSFORM
FAILED = "Model 'transform hook' failed to transform dataset. Exception: "


def _csv(name: str, content: bytes) -> tuple[Part, Part]:
    return (f"{name}.format", None, b"csv"), (f"{name}.transformed", f"{name}.transformed", content)


def _sparse(matrix: bytes, names: bytes) -> tuple[Part, Part, Part]:
    return (
        ("X.format", None, b"sparse"),
        (
            "X.transformed",
            "X.transformed",
            b"%%MatrixMarket matrix coordinate real general\n%\n" + matrix,
        ),
        ("X.colnames", "X.colnames", names),
    )


def _rows(name: str) -> bytes:
    return f"do\n{name}\n{name}\n".encode()


def _do(name: str, **fields: Any) -> Case:
    return post(f"transform: {name}", TRANSFORM, "/transform/", _rows(name), **fields)


def _sent(id: str, *parts: Part, **fields: Any) -> Case:
    return post(f"transform of {id}", TRANSFORM, "/transform/", form(*parts), MULTIPART, **fields)


def _answers() -> Iterator[Case]:
    columns = b'n,"say ""x"", y"\r\n0.0,""""\r\n0.3333333333333333,""""'
    yield _do("columns", parts=_csv("X", columns))
    yield _do("sparse", parts=_sparse(b"2 3 2\n1 1 1\n2 2 1\n", b"first\nsecond one\nthird"))
    yield _do("odd names", parts=_csv("X", b"a\\nb,5\r\n1,2\r\n1,2"))
    yield _do("y", parts=_csv("X", b"sum\r\nno y\r\nno y"))
    doubled = _sparse(b"2 2 3\n1 1 2\n2 1 9\n1 2 4\n", b"0\n1")
    sparse = models.SPARSE_TRANSFORM
    yield post(
        "transform by an estimator", sparse, "/transform/", b"a,b\n1,2\n4.5,0\n", parts=doubled
    )
    yield post(
        "transform of a matrix by an estimator",
        sparse,
        "/transform/",
        MATRIX,
        "text/mtx",
        parts=doubled,
    )
    upload = form(("X", "x.mtx", MATRIX))
    yield post(
        "transform of a form by an estimator",
        sparse,
        "/transform/",
        upload,
        MULTIPART,
        parts=doubled,
    )


def _y() -> Iterator[Case]:
    x = ("X", "x.csv", _rows("y"))
    summed = _csv("X", b"sum\r\n3\r\n3")
    y = ("y", "y.csv", b"t\n1\n2\n")
    yield _sent("X and y", x, y, parts=(*summed, *_csv("y", b"t\r\n1\r\n2")))
    yield _sent("y and X", y, x, parts=(*summed, *_csv("y", b"t\r\n1\r\n2")))
    matrix = ("y", "y.mtx", b"%%MatrixMarket matrix array integer general\n2 1\n1\n2\n")
    yield _sent("X and a matrix y", x, matrix, parts=(*summed, *_csv("y", b"0\r\n1\r\n2")))
    none = _csv("X", b"sum\r\nno y\r\nno y")
    yield _sent("X and an empty y", x, ("y", "y.csv", b""), parts=none)
    yield _sent("X and y as a text field", x, ("y", None, b"t\n1\n"), parts=none)
    yield _sent("y alone", y, status=422, message=MISSING)


def _faulty() -> Iterator[Case]:
    rows = "Transformation resulted in different number of rows than original data"
    pair = (
        "DrumTransformException('Transformation of the target variable is not supported by DRUM.')"
    )
    for name, message in (
        ("one too many", rows),
        ("none", rows),
        ("array", "transform must return a dataframe, but received <class 'numpy.ndarray'>"),
        ("pair", f"{FAILED}{pair}"),
        ("fail", f"{FAILED}ValueError('nothing to change')"),
        ("leave", "Model 'transform' hook failed. Exception: SystemExit(0)"),
    ):
        yield _do(name, status=500, message=message)
    yield _do("blank name", status=500, says="Column name serialization check failed")
    marked = {"X-Drum-User-Http-Error": "true"}
    yield _do("refuse", status=403, json={"message": "not this one"}, reply_headers=marked)
    failed = "Couldn't naively apply transformer: two columns are needed"
    yield post(
        "transform that an estimator refuses",
        models.SPARSE_TRANSFORM,
        "/transform/",
        b"a\n1\n",
        status=500,
        message=failed,
    )
    yield post("transform of nothing", TRANSFORM, "/transform/", b"", status=422, message=MISSING)
    yield post(
        "transform of JSON",
        TRANSFORM,
        "/transform/",
        b"[]",
        "application/json",
        status=422,
        says="`application/json` is not supported",
    )


def _checked() -> Iterator[Case]:
    checked = models.TRANSFORM_CHECKED
    yield post(
        "transform within its schema", checked, "/transform/", b"a\n1\n", parts=_csv("X", b"a\r\n1")
    )
    for id, body in (("two columns", b"a,b\n1,2\n"), ("a column of text", b"a\nt\n")):
        yield post(
            f"transform gives {id} against its schema",
            checked,
            "/transform/",
            body,
            status=422,
            says="schema validation failed for output",
            keys={"is_schema_validation_error": True},
        )


CASES = (*_answers(), *_y(), *_faulty(), *_checked())
