"""Who trains a folder, and what that is given."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError, InvalidOutput
from datarobot_drum.drum.exceptions import DrumSerializationError
from datarobot_drum.drum.model_folder import Target
from datarobot_drum.drum.predictors import r_fit
from datarobot_drum.drum.training.trainers import FitArguments, find_trainer

X = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
SHOW = """\
import json, pathlib
def show(d, **k): pathlib.Path(d, "seen").write_text(json.dumps(k, default=str))
"""
TASK = """\
from datarobot_drum.custom_task_interfaces import RegressionEstimatorInterface as Base
class CustomTask(Base):
    def fit(self, X, y, **kwargs):
        {}
"""


@pytest.fixture
def fitted(write_code, tmp_path):
    """`fitted(code)` trains it, and returns what the code showed of what it was given."""

    def fit(code, target_type=TargetType.REGRESSION, **changes):
        folder = write_code(SHOW + code)
        given = {
            "X": X,
            "y": pd.Series([5, 6]),
            "output_dir": str(tmp_path),
            "class_order": None,
            "row_weights": None,
            "parameters": {"alpha": 1},
            **changes,
        }
        find_trainer(str(folder), Target(target_type))(FitArguments(**given))
        seen = tmp_path / "seen"
        return json.loads(seen.read_text()) if seen.exists() else None

    return fit


def test_hook_gets_all_arguments_by_keyword(fitted):
    seen = fitted("def fit(output_dir, **kwargs): show(output_dir, names=sorted(kwargs))")
    assert seen == {"names": ["X", "class_order", "parameters", "row_weights", "y"]}


def test_hook_gets_only_what_it_takes(fitted):
    code = "def fit(X, y, output_dir): show(output_dir, x=list(X), y=list(y))"
    assert fitted(code) == {"x": ["a", "b"], "y": [5, 6]}


def test_transform_hook_changes_the_features_first(fitted):
    code = """
def transform(data, model): return data[["b"]].assign(model=str(model))
def fit(X, y, output_dir): show(output_dir, x=X.to_dict("list"))
"""
    assert fitted(code) == {"x": {"b": [3, 4], "model": ["None", "None"]}}


def test_transform_task_trains_on_the_features_as_they_are(fitted):
    code = """
def transform(data, model): 1 / 0
def fit(X, y, output_dir): show(output_dir, x=list(X))
"""
    assert fitted(code, TargetType.TRANSFORM) == {"x": ["a", "b"]}


def test_transform_hook_must_return_a_frame(fitted):
    code = "def transform(data, model): return 5\ndef fit(X, **kwargs): pass"
    with pytest.raises(InvalidOutput, match="transform must return a dataframe, but received"):
        fitted(code)


def test_init_hook_runs_before(fitted):
    code = """
def init(code_dir): global place; place = code_dir
def fit(X, y, output_dir): show(output_dir, place=place)
"""
    assert fitted(code)["place"].endswith("/model")


def test_async_hook_is_run(fitted):
    assert fitted("async def fit(X, y, output_dir): show(output_dir, ran=1)") == {"ran": 1}


@pytest.mark.parametrize("error", [AttributeError("lost"), ValueError("lost")])
@pytest.mark.parametrize("is_task", [False, True])
def test_error_of_training_passes_as_it_is(fitted, error, is_task):
    code = TASK.format(f"raise {error!r}")
    with pytest.raises(type(error), match="^lost$"):
        fitted(code if is_task else f"def fit(X, **kwargs): raise {error!r}")


def test_task_is_trained_and_saves_itself_to_the_output(fitted, tmp_path, code_dir):
    body = "show(kwargs['output_dir'], names=sorted(kwargs))"
    seen = fitted(TASK.format(body))
    assert seen == {"names": ["class_order", "output_dir", "parameters", "row_weights"]}
    assert (tmp_path / "drum_artifact.pkl").exists()
    assert [path.name for path in code_dir.iterdir()] == ["custom.py"]


def test_task_that_cannot_be_pickled_is_told(fitted):
    with pytest.raises(DrumSerializationError, match="when saving your custom task"):
        fitted(TASK.format("self.f = lambda: 1"))


def test_own_save_that_fails_is_told_with_its_cause(fitted):
    code = TASK.format("pass") + "    def save(self, folder): raise KeyError('gone')\n"
    with pytest.raises(DrumError, match=r"when saving your custom task.*KeyError\('gone'\)"):
        fitted(code)


def test_disk_fault_of_save_passes_as_it_is(fitted):
    code = TASK.format("pass") + "    def save(self, folder): open(folder + '/no/such', 'w')\n"
    with pytest.raises(FileNotFoundError):
        fitted(code)


def test_folder_without_fit_is_refused(fitted):
    with pytest.raises(DrumError, match=r"fit\(\) method must be implemented in a file named"):
        fitted("def load_model(code_dir): pass")


def test_code_below_the_top_is_refused(code_dir):
    (code_dir / "inner").mkdir()
    (code_dir / "inner" / "custom.py").write_text("def fit(**kwargs): pass")
    with pytest.raises(DrumError, match="must have custom.py at its top, not in .*inner"):
        find_trainer(str(code_dir), Target(TargetType.REGRESSION))


def test_java_cannot_be_trained(code_dir):
    (code_dir / "model.jar").write_text("")
    with pytest.raises(DrumError, match="models in language 'java' cannot be trained"):
        find_trainer(str(code_dir), Target(TargetType.REGRESSION))


@pytest.fixture
def r_code(code_dir):
    """A folder of R."""
    (code_dir / "custom.R").write_text("fit <- function(X, y, output_dir, ...) 1")
    return str(code_dir)


@pytest.mark.parametrize(
    ("target_type", "transforms"), [(TargetType.ANOMALY, True), (TargetType.TRANSFORM, False)]
)
def test_r_is_trained_by_its_module(target_type, transforms, r_code, monkeypatch):
    calls = []
    monkeypatch.setattr(r_fit, "fit", lambda **kwargs: calls.append(kwargs))
    arguments = FitArguments(X, None, "out", None, None, {})
    find_trainer(r_code, Target(target_type))(arguments)
    assert calls == [{"code_dir": r_code, "transforms": transforms, **arguments.keywords()}]
