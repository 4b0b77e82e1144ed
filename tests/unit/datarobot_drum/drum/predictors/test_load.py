"""From a folder to a model: what is run, in which order, and what may be wrong."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError, StartupError
from datarobot_drum.drum.exceptions import CustomHTTPError
from datarobot_drum.drum.predictors import load_model
from datarobot_drum.drum.predictors.hooked import PythonModel
from datarobot_drum.drum.settings import ModelSpec, Settings

Load = Callable[..., PythonModel]

SCORE = "def score(data, model): pass\n"
ORDER = """
CALLS = []
def init(**kwargs):
    CALLS.append(("init", kwargs))
def load_model(code_dir):
    CALLS.append(("load_model", code_dir))
    return 0
"""


def write_artifact(folder: Path, model: object) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps(model))


def test_init_runs_before_load_model(tmp_path: Path, load_folder: Load) -> None:
    (tmp_path / "custom.py").write_text(ORDER + SCORE)
    assert load_folder().model == 0
    assert sys.modules["custom"].CALLS == [
        ("init", {"code_dir": str(tmp_path)}),
        ("load_model", str(tmp_path)),
    ]


@pytest.mark.parametrize("signature", ["", "code_dir", "*, code_dir=None", "**kwargs"])
def test_init_may_take_what_it_likes(signature: str, load: Load) -> None:
    assert load(f"def init({signature}): pass\n{SCORE}").model == "model"


@pytest.mark.parametrize("hook", ["init(code_dir)", "load_model(code_dir)"])
def test_user_error_while_loading_goes_through(hook: str, load: Load) -> None:
    code = "from datarobot_drum import CustomHTTPError\n"
    with pytest.raises(CustomHTTPError, match="pay first"):
        load(f"{code}{SCORE}def {hook}: raise CustomHTTPError('pay first')")


def test_other_errors_of_init_go_through(load: Load) -> None:
    with pytest.raises(KeyError):
        load(f"{SCORE}def init(): raise KeyError('x')")


def test_load_model_that_fails_shows_its_exception(load: Load) -> None:
    with pytest.raises(StartupError) as raised:
        load(f"{SCORE}def load_model(code_dir): raise KeyError('x')")
    assert str(raised.value) == (
        "An error occurred when loading your artifact: "
        "'load_model' hook failed to load the model. Exception: KeyError('x')"
    )
    assert isinstance(raised.value.__cause__, KeyError)


def test_load_model_must_not_return_none(load: Load) -> None:
    with pytest.raises(StartupError, match="failed to load model, None is returned"):
        load(f"{SCORE}def load_model(code_dir): pass")


def test_load_model_may_be_async(load: Load) -> None:
    assert load(f"{SCORE}async def load_model(code_dir): return []").model == []


def test_folder_with_score_only_needs_an_artifact(tmp_path: Path, load_folder: Load) -> None:
    (tmp_path / "custom.py").write_text(SCORE)
    with pytest.raises(StartupError, match="when loading your artifact: Could not find model art"):
        load_folder()


def test_artifact_alone_is_predicted_with_by_its_framework(
    tmp_path: Path, load_folder: Load
) -> None:
    write_artifact(tmp_path, LinearRegression())
    model = load_folder()
    assert (model.predictor_name, model.is_row_wise) == ("scikit-learn", True)


def test_artifact_with_a_score_hook_needs_no_framework(tmp_path: Path, load_folder: Load) -> None:
    (tmp_path / "custom.py").write_text(SCORE)
    write_artifact(tmp_path, {"weights": 1})
    model = load_folder()
    assert (model.predictor_name, model.model) == (None, {"weights": 1})


def test_object_that_nobody_can_predict_with_is_refused(load: Load) -> None:
    with pytest.raises(StartupError, match="Could not find any framework to handle loaded model"):
        load("")


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("def chat(params, model): pass", "regression"),
        ("def score_unstructured(model, data): pass", "textgeneration"),
    ],
)
def test_hook_for_another_route_is_enough(code: str, target: str, load: Load) -> None:
    assert load(code, target).predictor is None


def test_unstructured_model_needs_its_hook(load: Load) -> None:
    with pytest.raises(StartupError, match="hook 'score_unstructured' must be provided"):
        load(SCORE, "unstructured")


def test_unstructured_model_ignores_the_hooks_of_tables(load: Load) -> None:
    model = load(f"{SCORE}def score_unstructured(model, data): pass", "unstructured")
    assert set(model.hooks.bound) == {"load_model", "score_unstructured"}


def test_transform_task_takes_a_hook_or_a_transformer(tmp_path: Path, load: Load) -> None:
    with pytest.raises(StartupError, match="A transform task requires a user-defined transform"):
        load(SCORE, "transform")
    assert load("def transform(data, model): pass", "transform").predictor is None
    code = "from sklearn.preprocessing import StandardScaler\n"
    scaler = load(f"{code}def load_model(code_dir): return StandardScaler()", "transform")
    assert isinstance(scaler.model, StandardScaler)
    assert scaler.predictor_name == "scikit-learn"


def test_model_in_another_language_cannot_be_run(tmp_path: Path) -> None:
    spec = ModelSpec(str(tmp_path), "regression", language="julia")
    with pytest.raises(StartupError, match="models in language 'julia' cannot be run"):
        load_model(spec, Settings.load({}))


def test_folder_without_anything_says_what_belongs_there(load_folder: Load) -> None:
    with pytest.raises(DrumError, match="Can not detect language"):
        load_folder()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("regression", {}),
        ("binary", {"positive_class_label": "yes", "negative_class_label": "no"}),
        ("multiclass", {"class_labels": ["a", "b", "c"]}),
    ],
)
def test_score_gets_the_labels_of_its_target(
    target: str, expected: dict[str, object], load: Load
) -> None:
    keywords = dict(load(SCORE, target).score_keywords)
    assert keywords.pop("target_type") is TargetType(target)
    assert keywords == expected


@pytest.mark.parametrize(
    ("code", "legacy"),
    [(SCORE, True), (f"{SCORE}def post_process(data, model): return data", False)],
)
def test_legacy_label_order_is_not_for_models_with_post_process(
    code: str, legacy: bool, load: Load
) -> None:
    assert load(code, DRUM_LEGACY_LABEL_ORDER="true").rules.legacy_label_order is legacy


def test_settings_reach_the_model(load: Load) -> None:
    model = load(SCORE, "textgeneration", DRUM_CHECK_ROW_COUNT="false", LLM_ID="m1")
    assert model.rules.check_row_count is False
    assert (model.rules.target_name, model.llm_id) == ("text", "m1")


def test_target_may_come_from_the_metadata(tmp_path: Path, load_folder: Load) -> None:
    (tmp_path / "custom.py").write_text(ORDER + SCORE)
    (tmp_path / "model-metadata.yaml").write_text(
        "name: m\ntype: inference\ntargetType: anomaly\ncustomPredictor:\n  x: 1\n"
    )
    model = load_folder(None)
    assert model.target.type is TargetType.ANOMALY
    assert model.info()["modelMetadata"]["customPredictor"] == {"x": "1"}
