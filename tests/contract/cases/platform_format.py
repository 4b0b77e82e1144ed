"""Predictions in platform format, chosen by `--deployment-config`."""

from __future__ import annotations

from typing import Any

from tests.contract.cases import models
from tests.contract.cases.case import Case, predict

Row = dict[str, Any]
PAIR: list[list[object]] = [["ham", 0], ["spam", 1]]
THREE: list[list[object]] = [["e", 1], ["c d", 0], ["7", 2]]
BINARY = models.deployed(models.BINARY, PAIR, prediction_threshold=0.4)


def _single(number: int, value: object, label: str = "y", **more: object) -> Row:
    values = [{"label": label, "value": value}]
    return {"prediction": value, "predictionValues": values, "rowId": number, **more}


def _labelled(number: int, prediction: object, values: dict[str, float], **more: object) -> Row:
    pairs = [{"label": label, "value": value} for label, value in values.items()]
    return {"prediction": prediction, "predictionValues": pairs, "rowId": number, **more}


def _case(id: str, served: Any, body: bytes, *rows: Row, **more: Any) -> Case:
    return predict(f"platform: {id}", served, body, json={"data": list(rows)}, **more)


def _binary_row(number: int, value: float, **more: object) -> Row:
    label = "spam" if value > 0.4 else "ham"
    values = {"spam": value, "ham": 1 - value}
    return _labelled(number, label, values, predictionThreshold=0.4, **more)


CASES = (
    _case(
        "regression",
        models.deployed(models.LINEAR),
        b"a,b\n1,0\n2,\n",
        _single(0, 2.0),
        _single(1, None),
        content_type="application/json",
    ),
    predict(
        "platform: bytes",
        models.deployed(models.REGRESSION),
        b"do,v\nthirds,1\n",
        body_is=(
            b'{"data": [{"prediction": 0.3333333333333333, "predictionValues": [{"label": "y", '
            b'"value": 0.3333333333333333}], "rowId": 0}]}'
        ),
    ),
    _case(
        "extra columns",
        models.deployed(models.REGRESSION),
        b"do,v\nnotes,1\nnotes,2\n",
        _single(0, 1.0, extraModelOutput={"note": "n0", "rank": 0}),
        _single(1, 2.0, extraModelOutput={"note": "n1", "rank": 1}),
    ),
    _case("anomaly", models.deployed(models.ANOMALY), b"v\n12\n", _single(0, 2.0, "Anomaly Score")),
    _case(
        "binary, and the threshold itself is negative",
        BINARY,
        b"do,p\nboth,0.25\nboth,0.4\nboth,0.9\n",
        *(_binary_row(number, value) for number, value in enumerate((0.25, 0.4, 0.9))),
    ),
    _case(
        "binary with extra columns",
        BINARY,
        b"do,p\nextra,0.9\n",
        _binary_row(0, 0.9, extraModelOutput={"why": "w", "k": 1}),
    ),
    _case(
        "multiclass",
        models.deployed(models.MULTICLASS, THREE),
        b"do\nreversed\n",
        _labelled(0, "7", {"c d": 0.125, "e": 0.25, "7": 0.625}),
    ),
    _case(
        "multilabel",
        models.deployed(models.MULTILABEL, [["x", 0], ["y", 1], ["z", 2]]),
        b"x,y,z\n0.9,0.5,0.6\n",
        _labelled(0, ["x", "z"], {"x": 0.9, "y": 0.5, "z": 0.6}, predictionThreshold=0.5),
    ),
    _case("text", models.deployed(models.TEXT), b"promptText\nhi\n", _single(0, "you said hi")),
    _case(
        "geopoint", models.deployed(models.GEOPOINT), b"lon,lat\n1,2\n", _single(0, "POINT (1 2)")
    ),
    _case(
        "vector database",
        models.deployed(models.SEARCH),
        b"question,distances\nmoon,1\n",
        _single(0, "The moon is a rock.", extraModelOutput={"distance": 0.5}),
    ),
    _case("agent", models.deployed(models.AGENT), b"task\nwalk\n", _single(0, "do walk")),
    predict("platform: error", BINARY, b"do,p\nsum,0.5\n", status=500, says="do not add up to 1"),
    predict(
        "platform: labels of another model",
        models.deployed(models.BINARY, [["left", 0], ["right", 1]]),
        b"do,p\nboth,0.5\n",
        status=500,
        says="class mapping",
    ),
)
