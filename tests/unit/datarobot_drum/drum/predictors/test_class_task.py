"""Folders with a `CustomTask` class as models."""

from __future__ import annotations

import json
import textwrap

import pytest

from datarobot_drum import CustomHTTPError
from datarobot_drum.drum.errors import HookError, InvalidOutput, StartupError
from datarobot_drum.drum.observability.masking import stop_masking
from datarobot_drum.drum.payloads import Payload
from datarobot_drum.drum.predictors import load_model
from datarobot_drum.drum.settings import ModelSpec, Settings
from datarobot_drum.drum.user_secrets import withdraw_user_secrets

HEAD = """\
import pandas as pd
from datarobot_drum import CustomHTTPError
from datarobot_drum.custom_task_interfaces import CustomTaskInterface as Base
class CustomTask(Base):
    @classmethod
    def load(cls, folder): return cls()
"""
ROWS = Payload(b"a,b\n1,2\n3,4\n")


@pytest.fixture
def task(tmp_path, load_folder):
    """`task(body, target)` loads a CustomTask with these methods."""

    def load(body, target="regression"):
        (tmp_path / "custom.py").write_text(HEAD + textwrap.indent(textwrap.dedent(body), "    "))
        return load_folder(target)

    return load


def test_value_is_predicted_with_the_keywords_of_score(task):
    model = task("def predict(self, X, target_type): return pd.DataFrame({'x': X['a']})")
    assert list(model.predict(ROWS).frame["Predictions"]) == [1, 3]
    assert (model.predictor_name, model.is_row_wise, model.can_chat) == (None, False, False)


def test_class_probabilities_are_those_of_predict_proba(task):
    body = """
    def predict_proba(self, X, **kwargs):
        return pd.DataFrame({kwargs['negative_class_label']: [.75, .5], 'yes': [.25, .5]})
    """
    frame = task(body, "binary").predict(ROWS).frame
    assert frame.to_dict("list") == {"no": [0.75, 0.5], "yes": [0.25, 0.5]}


def test_transform_gets_the_table_alone(task):
    model = task("def transform(self, X): return X * 2", "transform")
    assert model.transform(ROWS, None).to_dict("list") == {"a": [2, 6], "b": [4, 8]}


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("def predict(self, X): return [1]", InvalidOutput, "score must return a dataframe"),
        ("def predict(self, X): return X", InvalidOutput, "only 1 column. Your predictions have 2"),
        ("def predict(self, X): raise KeyError('k')", HookError, "Model 'score' hook failed to"),
        ("def predict(self, X): raise CustomHTTPError('no')", CustomHTTPError, "no"),
    ],
)
def test_faulty_prediction_is_told(task, body, error, message):
    model = task(body)
    with pytest.raises(error, match=message):
        model.predict(ROWS)


@pytest.mark.parametrize(
    ("body", "target", "message"),
    [
        ("pass", "regression", "has no method 'predict', which its target type needs"),
        ("pass", "binary", "has no method 'predict_proba'"),
        ("pass", "unstructured", "a CustomTask class cannot be unstructured"),
        ("def predict(self): pass", "regression", "'predict' must take 1 positional arguments"),
        ("load = classmethod(lambda cls, folder: 5)", "regression", "returned <class 'int'>"),
        (
            "load = classmethod(lambda cls, folder: 1 / 0)",
            "regression",
            "Failed to load custom task class. Exception: ZeroDivisionError",
        ),
    ],
)
def test_task_that_cannot_be_used_is_refused_at_load(task, body, target, message):
    with pytest.raises(StartupError, match=message):
        task(body, target)


def test_own_error_of_load_passes(task):
    body = """
    @classmethod
    def load(cls, folder): raise CustomHTTPError("closed", 503)
    """
    with pytest.raises(CustomHTTPError, match="closed"):
        task(body)


def test_task_that_was_never_trained_is_refused(tmp_path, load_folder):
    code = "from datarobot_drum.custom_task_interfaces import RegressionEstimatorInterface as R\n"
    (tmp_path / "custom.py").write_text(f"{code}class CustomTask(R): pass\n")
    with pytest.raises(StartupError, match=r"FileNotFoundError.*No such file"):
        load_folder("regression")


def test_secrets_are_there_from_load_on(tmp_path, monkeypatch):
    body = """\
    @classmethod
    def load(cls, folder):
        task = cls()
        task.at_load = task.secrets["KEY"].api_token
        return task
    def predict(self, X, **kwargs):
        same = self.at_load == self.secrets["KEY"].api_token
        return pd.DataFrame({"Predictions": [float(same)] * len(X)})
    """
    (tmp_path / "custom.py").write_text(HEAD + body)
    monkeypatch.setenv("PFX_KEY", json.dumps({"credential_type": "api_token", "api_token": "tokn"}))
    try:
        spec = ModelSpec(str(tmp_path), "regression", user_secrets_prefix="PFX")
        model = load_model(spec, Settings.load({}))
        assert list(model.predict(ROWS).frame["Predictions"]) == [1.0, 1.0]
    finally:
        withdraw_user_secrets()
        stop_masking()
