"""Class tasks: predictions of each kind, transforms and faulty answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.contract.cases import models
from tests.contract.cases.case import Case, post, predict

FAILED = "Model 'score' hook failed to make predictions. Exception: RuntimeError('task boom')"
TRANSFORM_FAILED = (
    "Model 'transform hook' failed to transform dataset. Exception: RuntimeError('task boom')"
)
REGRESSION = models.CLASS_TASK


def _do(name: str) -> bytes:
    return f"do,v\n{name},1\n{name},0.25\n".encode()


def _values() -> Iterator[Case]:
    yield predict("class task: regression", REGRESSION, _do("well"), gives=[2.0, 0.5])
    yield predict("class task: anomaly", models.ANOMALY_TASK, _do("well"), gives=[2.0, 0.5])
    keywords = (
        "charset=None;mimetype=text/csv;sparse_colnames=None;target_type=TargetType.GEO_POINT"
    )
    yield predict(
        "class task: the keywords of score",
        models.POINT_TASK,
        _do("keywords"),
        gives=[f"binary_data={_do('keywords')!r};{keywords}"] * 2,
    )
    for name, message in (
        ("fail", FAILED),
        ("number", "score must return a dataframe, but received <class 'int'>"),
    ):
        yield predict(f"class task: {name}", REGRESSION, _do(name), status=500, message=message)
    yield predict(
        "class task: more columns",
        REGRESSION,
        _do("two"),
        status=500,
        says="must contain only 1 column. Your predictions have 2 columns",
    )
    yield predict(
        "class task: refuse", REGRESSION, _do("refuse"), status=409, json={"message": "not today"}
    )


def _classes() -> Iterator[Case]:
    two = [{"spam": 1.0, "ham": 0.0}, {"spam": 0.25, "ham": 0.75}]
    yield predict("class task: binary", models.BINARY_TASK, _do("well"), gives=two)
    for served, labels in ((models.MULTICLASS_TASK, "a b c"), (models.MULTILABEL_TASK, "x y z")):
        first, second, third = labels.split()
        rows = [{first: 1.0, second: 0.0, third: 0.0}, {first: 0.25, second: 0.75, third: 0.0}]
        yield predict(f"class task: {served.target}", served, _do("well"), gives=rows)
    yield predict(
        "class task: one label too many",
        models.BINARY_TASK,
        _do("three"),
        status=500,
        says="Expected predictions to have columns ['spam', 'ham'], but encountered",
    )


def _transforms() -> Iterator[Case]:
    def do(name: str, **fields: Any) -> Case:
        served = models.TRANSFORM_TASK
        return post(f"class task: transform, {name}", served, "/transform/", _do(name), **fields)

    parts = (
        ("X.format", None, b"csv"),
        ("X.transformed", "X.transformed", b"v\r\n2.0\r\n0.5"),
    )
    yield do("well", parts=parts)
    yield do("fail", status=500, message=TRANSFORM_FAILED)


CASES = (*_values(), *_classes(), *_transforms())
