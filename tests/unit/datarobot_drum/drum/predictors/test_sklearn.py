"""Real estimators, trained on a few rows."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import InvalidOutput
from datarobot_drum.drum.model_folder import Target
from datarobot_drum.drum.predictors.sklearn import SklearnPredictor

TABLE = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
REGRESSION = Target(TargetType.REGRESSION)
BINARY = Target(TargetType.BINARY, ("yes", "no"))


def regressor() -> Any:
    return LinearRegression().fit(TABLE, [0, 2, 4, 6])


@pytest.mark.parametrize("name", ["m.pkl", "m.PKL", "m.joblib", "m.JobLib"])
def test_estimator_survives_its_artifact(name: str, tmp_path: Path) -> None:
    dump = joblib.dump if name.lower().endswith("joblib") else _pickle
    dump(regressor(), tmp_path / name)
    model = SklearnPredictor.load(tmp_path / name)
    values = SklearnPredictor(model, REGRESSION).predict(TABLE).values
    assert np.allclose(values, [0, 2, 4, 6])


def _pickle(model: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(model))


def test_strings_of_python_2_are_read(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"S'caf\\xe9'\np0\n.")
    assert SklearnPredictor.load(tmp_path / "m.pkl") == "café"


class Reluctant:
    """Cannot be built the first time."""

    built: ClassVar[list[int]] = []

    def __init__(self, number: int) -> None:
        self.built.append(number)
        if len(self.built) == 1:
            raise TypeError("not like this")


def test_artifact_that_latin1_spoils_is_read_again_from_its_start(tmp_path: Path) -> None:
    name = f"{Reluctant.__module__}\n{Reluctant.__qualname__}\n".encode()
    (tmp_path / "m.pkl").write_bytes(b"c" + name + b"(I7\ntR.")
    assert isinstance(SklearnPredictor.load(tmp_path / "m.pkl"), Reluctant)
    assert Reluctant.built == [7, 7]


def test_objects_of_others_are_not_accepted() -> None:
    assert SklearnPredictor.accepts(regressor())
    assert not SklearnPredictor.accepts("text")


def test_refusal_imports_no_framework() -> None:
    code = (
        "import sys; from datarobot_drum.drum.predictors.sklearn import SklearnPredictor as P; "
        "assert not P.accepts(5); assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


def test_classifier_gives_probabilities_and_its_labels() -> None:
    model = LogisticRegression().fit(TABLE, ["no", "no", "yes", "yes"])
    raw = SklearnPredictor(model, BINARY).predict(TABLE)
    assert raw.labels == ["no", "yes"]
    assert raw.values.shape == (4, 2)


def test_classifier_without_classes_gives_probabilities_only() -> None:
    class Bare(LogisticRegression):
        def __getattribute__(self, name: str) -> Any:
            if name == "classes_":
                raise AttributeError(name)
            return super().__getattribute__(name)

        def predict_proba(self, table: Any) -> Any:
            return np.full((len(table), 2), 0.5)

    raw = SklearnPredictor(Bare(), BINARY).predict(TABLE)
    assert raw.labels is None


def test_classifier_that_knows_no_probabilities_fails() -> None:
    model = LinearSVC().fit(TABLE, ["no", "no", "yes", "yes"])
    with pytest.raises(AttributeError, match="predict_proba"):
        SklearnPredictor(model, BINARY).predict(TABLE)


@pytest.mark.parametrize(
    "target", [TargetType.TEXT_GENERATION, TargetType.VECTOR_DATABASE, TargetType.AGENTIC_WORKFLOW]
)
def test_text_targets_are_not_for_estimators(target: TargetType) -> None:
    with pytest.raises(InvalidOutput, match=f"Target type '{target.value}' is not supported by"):
        SklearnPredictor(regressor(), Target(target, name="t")).predict(TABLE)
