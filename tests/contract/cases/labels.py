"""Class labels and probabilities: how columns become labels, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.contract.cases import models
from tests.contract.cases.case import Case, predict

BINARY = models.BINARY
BOTH = [{"spam": 0.25, "ham": 0.75}, {"spam": 0.5, "ham": 0.5}]
THREE = {"c d": 0.125, "e": 0.25, "7": 0.625}
EXPECTED = "Expected predictions to have columns ['spam', 'ham'], but encountered "


def _do(name: str) -> bytes:
    return f'do,p\n"{name}",0.25\n"{name}",0.5\n'.encode()


def _binary() -> Iterator[Case]:
    for name in ("both", "both reversed", "capitals"):
        yield predict(f"binary: {name}", BINARY, _do(name), gives=BOTH)
    yield predict(
        "binary: order of the keys is the model's",
        BINARY,
        _do("both reversed"),
        body_is=b'{"predictions":[{"ham":0.75,"spam":0.25},{"ham":0.5,"spam":0.5}]}',
    )
    nearly = [{"spam": 0.25, "ham": 0.7500001}, {"spam": 0.5, "ham": 0.5000001}]
    yield predict("binary: nearly one", BINARY, _do("nearly one"), gives=nearly)
    extra = {"columns": ["why", "k"], "index": [0, 1], "data": [["w", 1], ["w", 1]]}
    yield predict(
        "binary: extra columns",
        BINARY,
        _do("extra"),
        json={"predictions": BOTH, "extraModelOutput": extra},
    )
    for name, message in (
        ("one column", f"{EXPECTED}Index(['Predictions'], dtype='str')"),
        ("one label", f"{EXPECTED}Index(['spam'], dtype='str')"),
        ("other labels", f"{EXPECTED}Index(['left', 'right'], dtype='str')"),
        ("sum", "Your prediction probabilities do not add up to 1. \n[[0.25 0.45]\n [0.5  0.7 ]]"),
        ("negative", "Your prediction probabilities have negative values"),
        ("too large", "Your prediction probabilities have values greater than 1"),
    ):
        yield predict(f"binary: {name}", BINARY, _do(name), status=500, message=message)
    for name, says in (
        ("missing", "do not add up to 1"),
        ("texts", "must be numbers"),
        ("extra, other labels", "no column ['spam', 'ham']"),
    ):
        yield predict(f"binary: {name}", BINARY, _do(name), status=500, says=says)


def _multiclass() -> Iterator[Case]:
    many = models.MULTICLASS
    for name in ("all", "reversed"):
        yield predict(f"multiclass: {name}", many, _do(name), gives=[THREE, THREE])
    extra = {"columns": ["note", "x/y"], "index": [0, 1], "data": [["n", 1.5]] * 2}
    yield predict(
        "multiclass: extra columns",
        many,
        _do("extra"),
        json={"predictions": [THREE, THREE], "extraModelOutput": extra},
    )
    for name, says in (
        ("one column", "Expected predictions to have columns ['c d', 'e', '7']"),
        ("two labels", "but encountered Index(['c d', 'e'], dtype='str')"),
        ("sum", "do not add up to 1"),
        ("extra, one label missing", "no column ['7']"),
    ):
        yield predict(f"multiclass: {name}", many, _do(name), status=500, says=says)


def _multilabel() -> Iterator[Case]:
    served = models.MULTILABEL
    gives = [{"x": 0.9, "y": 0.8, "z": 0.1}]
    yield predict("multilabel need not add up", served, b"x,y,z\n0.9,0.8,0.1\n", gives=gives)
    yield predict(
        "multilabel with NaN", served, b"x,y,z\n,1,0\n", gives=[{"x": None, "y": 1.0, "z": 0.0}]
    )
    yield predict(
        "multilabel over one", served, b"x,y,z\n2,0,0\n", status=500, says="greater than 1"
    )


def _spellings() -> Iterator[Case]:
    for positive, negative in (("1", "0"), ("1.0", "0.0"), ("True", "False"), ("yes", "no")):
        served = replace(models.CLASSIFIER, labels=(positive, negative))
        gives = [{negative: 0.75, positive: 0.25}]
        yield predict(f"classes 0 and 1 as {positive}", served, b"p,q\n0.75,0.25\n", gives=gives)
    swapped = replace(models.CLASSIFIER, labels=("0", "1"))
    yield predict(
        "classes 0 and 1, swapped", swapped, b"p,q\n0.75,0.25\n", gives=[{"0": 0.75, "1": 0.25}]
    )
    other = replace(models.CLASSIFIER, labels=("spam", "ham"))
    yield predict(
        "classes 0 and 1 as other labels",
        other,
        b"p,q\n0.75,0.25\n",
        status=500,
        says="['spam', 'ham']",
    )
    told = [{"yes": 0.75, "no": 0.25}]
    yield predict("labels of the metadata file", models.METADATA, b"a\n1\n", gives=told)


def _arrays() -> Iterator[Case]:
    documented = [{"ham": 0.75, "spam": 0.25}]
    for served, name in ((models.BINARY_ESTIMATOR, "array"), (models.POST_PROCESS, "post_process")):
        yield predict(f"two columns of an {name}", served, b"p,q\n0.75,0.25\n", gives=documented)
        yield predict(f"one column of an {name}", served, b"p\n0.25\n", gives=documented)
    legacy = models.LEGACY_ESTIMATOR
    yield predict(
        "two columns in the reference's order",
        legacy,
        b"p,q\n0.75,0.25\n",
        gives=[{"spam": 0.75, "ham": 0.25}],
    )
    yield predict(
        "one column in the reference's order",
        legacy,
        b"p\n0.25\n",
        gives=[{"spam": 0.75, "ham": 0.25}],
    )
    many = models.MULTICLASS_ESTIMATOR
    yield predict(
        "columns of a multiclass array",
        many,
        b"p,q,r\n0.5,0.25,0.25\n",
        gives=[{"a": 0.5, "b": 0.25, "c": 0.25}],
    )
    yield predict(
        "too few columns of a multiclass array",
        many,
        b"p,q\n0.5,0.5\n",
        status=500,
        says="Expected 3 columns",
    )
    yield predict(
        "one column of a multiclass array", many, b"p\n0.5\n", status=500, says="Only one dimension"
    )


CASES = (*_binary(), *_multiclass(), *_multilabel(), *_spellings(), *_arrays())
