"""PMML models, with a stand-in for the model of pypmml: what is asked, what is made of answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import InvalidInput, InvalidOutput, StartupError
from datarobot_drum.drum.model_folder import Target
from datarobot_drum.drum.predictors import pmml
from datarobot_drum.drum.predictors.child import ChildDied
from datarobot_drum.drum.predictors.pmml import PmmlPredictor

MULTICLASS = Target(TargetType.MULTICLASS, ("a", "c d"))
REGRESSION = Target(TargetType.REGRESSION)


def output(name: str, feature: str, value: object = None) -> SimpleNamespace:
    return SimpleNamespace(name=name, feature=feature, value=value)


@dataclass
class StandIn:
    """It answers each row with the same values, and keeps what it was asked."""

    outputs: list[SimpleNamespace]
    row: list[Any]
    functionName: str = "regression"
    classes: tuple[object, ...] = ()
    inputNames: tuple[str, ...] = ("x", "t")
    asked: list[Any] = field(default_factory=list)

    @property
    def outputFields(self) -> list[SimpleNamespace]:
        return self.outputs

    @property
    def outputNames(self) -> list[str]:
        return [each.name for each in self.outputs]

    def predict(self, text: str) -> str:
        question = json.loads(text)
        self.asked.append(question)
        rows = [self.row] * len(question["data"])
        return json.dumps({"columns": self.outputNames, "data": rows})


TABLE = pd.DataFrame({"other": [9, 9], "x": [0.1, np.nan], "t": ["é", None]})


def test_rows_go_to_java_with_every_digit_and_null_for_what_is_missing():
    model = StandIn([output("predicted_y", "predictedValue")], [1 / 3])
    raw = PmmlPredictor(model, REGRESSION).predict(TABLE)
    assert raw.values.tolist() == [[1 / 3], [1 / 3]]
    assert model.asked == [{"columns": ["x", "t"], "data": [[0.1, "é"], [None, None]]}]


def test_many_rows_go_in_pieces(monkeypatch):
    monkeypatch.setattr(pmml, "CHUNK", 2)
    model = StandIn([output("y", "predictedValue")], [1], inputNames=("x",))
    raw = PmmlPredictor(model, REGRESSION).predict(pd.DataFrame({"x": range(5)}))
    assert raw.values.shape == (5, 1)
    assert [len(question["data"]) for question in model.asked] == [2, 2, 1]


@pytest.mark.parametrize(
    ("outputs", "row", "value"),
    [
        ([output("more", "other"), output("y", "predictedValue")], [1, 2], 2),
        ([output("first", "other"), output("second", "other")], [1, 2], 1),
        ([output("y", "predictedValue")], [None], np.nan),
    ],
)
def test_predicted_value_is_taken(outputs, row, value):
    raw = PmmlPredictor(StandIn(outputs, row), REGRESSION).predict(TABLE)
    np.testing.assert_equal(raw.values, [[value], [value]])


@pytest.mark.parametrize(
    "names",
    [
        ("declared", "as", "such"),
        ("probability(c d)", "probability(a)", "label"),
        ("probability_c d", "probability_a", "label"),
    ],
)
def test_each_label_gets_its_probability(names):
    is_declared = names[0] == "declared"
    outputs = [
        output(names[0], "probability", "c d" if is_declared else None),
        output(names[1], "probability", "a" if is_declared else None),
        output(names[2], "predictedValue"),
    ]
    model = StandIn(outputs, [0.75, 0.25, "c d"], "classification", ("a", "c d"))
    raw = PmmlPredictor(model, MULTICLASS).predict(TABLE)
    assert raw.labels == ["a", "c d"]
    assert raw.values.tolist() == [[0.25, 0.75]] * 2


def test_table_without_rows_is_answered_without_java():
    model = StandIn([output("y", "predictedValue")], [1])
    assert PmmlPredictor(model, REGRESSION).predict(TABLE[:0]).values.shape == (0, 1)
    assert model.asked == []


@pytest.mark.parametrize(
    ("model", "target", "table", "error", "said"),
    [
        (StandIn([], []), REGRESSION, TABLE[["t"]], InvalidInput, r"missing: \['x'\]"),
        (
            StandIn([], [], "classification"),
            REGRESSION,
            TABLE,
            InvalidOutput,
            "is a classification",
        ),
        (
            StandIn([output("y", "predictedValue")], ["a"], "classification", ("a",)),
            MULTICLASS,
            TABLE,
            InvalidOutput,
            "no probability for its label 'a'",
        ),
    ],
)
def test_what_does_not_fit_is_told(model, target, table, error, said):
    with pytest.raises(error, match=said):
        PmmlPredictor(model, target).predict(table)


class FreshStandIn(StandIn):
    """What `Model.load` of pypmml makes."""

    @classmethod
    def load(cls, path: str) -> FreshStandIn:
        return cls([output("y", "predictedValue")], [Path(path).stat().st_size])

    def setSupplementOutput(self, value: bool) -> None:
        assert value


class DyingStandIn(StandIn):
    """Its process ends when it is asked."""

    java_process: subprocess.Popen[bytes]

    def predict(self, text: str) -> str:
        self.java_process.kill()
        raise ConnectionResetError


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: Any) -> Iterator[StandIn]:
    """A model whose process can end, and a stand-in for pypmml that loads it again."""
    context = SimpleNamespace(gateway=lambda: "Py4j", shutdown=lambda: None)
    modules = {
        "pypmml": SimpleNamespace(Model=FreshStandIn, PMMLContext=context),
        "pypmml.jvm": SimpleNamespace(Py4jGateway=None),
        "py4j": ModuleType("py4j"),
        "py4j.java_gateway": SimpleNamespace(
            GatewayParameters=None, JavaGateway=None, launch_gateway=None
        ),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    on_path(java="standin_java.py")
    model: Any = DyingStandIn([output("y", "predictedValue")], [0])
    model.source = tmp_path / "m.pmml"
    model.source.write_text("four")
    with subprocess.Popen(command) as process:
        model.java_process = process
        yield model
        process.kill()


def test_end_of_java_during_a_request_is_told(dying):
    with pytest.raises(ChildDied, match="ended with exit code -9; the next request starts it"):
        PmmlPredictor(dying, REGRESSION).predict(TABLE)


def test_java_that_has_ended_is_started_again_with_the_same_model(dying):
    dying.java_process.kill()
    dying.java_process.wait()
    dying.__class__ = FreshStandIn
    predictor = PmmlPredictor(dying, REGRESSION)
    assert predictor.predict(TABLE).values.tolist() == [[4], [4]]
    assert predictor.model is dying


def test_error_of_a_living_process_stays_what_it_is(dying, monkeypatch):
    dying.__class__ = FreshStandIn
    monkeypatch.setattr(FreshStandIn, "predict", lambda self, text: "no JSON")
    with pytest.raises(json.JSONDecodeError):
        PmmlPredictor(dying, REGRESSION).predict(TABLE)


def test_missing_java_is_told_with_what_to_install(tmp_path, monkeypatch, on_path):
    module = ModuleType("pypmml")
    module.Model = StandIn  # type: ignore[attr-defined]  # only that it can be imported counts
    monkeypatch.setitem(sys.modules, "pypmml", module)
    on_path()
    with pytest.raises(StartupError, match="apt-get install openjdk"):
        PmmlPredictor.load(tmp_path / "m.pmml")
    assert PmmlPredictor.accepts(StandIn([], []))


def test_other_models_are_not_taken_for_pmml():
    assert not PmmlPredictor.accepts(object())
