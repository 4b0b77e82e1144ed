"""A whole training run: lines, output, checks, and what stays untouched when it fails."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from datarobot_drum.custom_task_interfaces import CustomTaskInterface
from datarobot_drum.drum.errors import DrumError, SchemaViolation

MEAN = """
import json, os, pandas as pd
def fit(X, y, output_dir, row_weights, parameters):
    facts = {"mean": float(y.mean()), "rows": len(y), "parameters": parameters}
    with open(os.path.join(output_dir, "model.json"), "w") as file: json.dump(facts, file)
def load_model(code_dir):
    with open(os.path.join(code_dir, "model.json")) as file: return json.load(file)
def score(data, model): return pd.DataFrame({"Predictions": [model["mean"]] * len(data)})
"""
STARTED = ["Starting Fit", "Fit successful"]
PREDICTED = ["Starting Prediction", "Prediction successful for fit validation"]
READY = (
    "Validation Complete 🎉 Your model can be fit to your data,  and predictions can be made on "
    "the fit model! \n You're ready to add it to DataRobot. "
)
UNPREDICTED = (
    "Validation Complete 🎉 Your model can be fit to your data, however since you specified "
    "--skip-predict, predictions were not made \nYou're ready to add it to DataRobot. "
)
METADATA = "name: n\ntype: training\ntargetType: {}\n"
SCHEMA = "typeSchema:\n  {}_requirements:\n    - field: {}\n      condition: {}\n      value: {}\n"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_model_is_trained_checked_and_kept(write_code, run, out):
    source = write_code(MEAN)
    assert run(output=str(out)) == [*STARTED, *PREDICTED, "Success 🎉"]
    assert names(out) == ["README.md", "custom.py", "model.json"]
    assert json.loads((out / "model.json").read_text())["mean"] == 30.0
    assert names(source) == ["custom.py"]


def test_without_output_nothing_is_kept(write_code, run, monkeypatch, tmp_path):
    write_code(MEAN)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert run() == [*STARTED, *PREDICTED, READY]
    assert names(tmp_path / "tmp") == []


def test_prediction_may_be_skipped(write_code, run, out):
    write_code(MEAN.replace("def score", "def unused"))
    assert run(skip_predict=True) == [*STARTED, UNPREDICTED]
    assert run(skip_predict=True, output=str(out)) == [*STARTED, "Success 🎉"]


def test_verbose_tells_the_memory(write_code, run):
    write_code(MEAN)
    lines = run(verbose=True)
    assert lines[2].startswith("Maximum fit memory usage: ")
    assert lines[4].startswith("Maximum server memory usage: ")
    figures = [int(line.split()[-1].removesuffix("MB")) for line in (lines[2], lines[4])]
    assert min(figures) > 10


def test_figures_of_the_run_are_written(write_code, run, out):
    write_code(MEAN)
    run(output=str(out), writes_runtime_data=True)
    figures = json.loads((out / "fit_runtime_data.json").read_text())
    assert list(figures) == [
        "fit_memory_usage",
        "prediction_memory_usage",
        "input_dataframe_size",
    ]
    assert min(figures.values()) > 0


@pytest.mark.parametrize("name", ["custom.py", "fit_runtime_data.json"])
def test_folder_in_the_way_of_a_file_is_told_before_training(write_code, run, out, code_dir, name):
    write_code(MEAN.replace("facts =", "print(1 / 0)"))
    (out / name).mkdir()
    with pytest.raises(DrumError, match=f"has {name} of another kind"):
        run(output=str(out), writes_runtime_data=True)


def test_files_that_are_replaced_are_told(write_code, run, out, caplog):
    write_code(MEAN)
    (out / "model.json").write_text("{}")
    run(output=str(out), skip_predict=True)
    assert "Files were overwritten: ['model.json']" in caplog.text


def test_rows_and_parameters_are_those_asked_for(write_code, run, out, tmp_path):
    write_code(MEAN)
    (tmp_path / "p.json").write_text('{"alpha": 0.5}')
    run(output=str(out), num_rows=7, parameter_file=str(tmp_path / "p.json"))
    model = json.loads((out / "model.json").read_text())
    assert (model["rows"], model["parameters"]) == (7, {"alpha": 0.5})


def test_parameters_default_to_those_of_the_metadata(write_code, run, out, code_dir):
    write_code(MEAN)
    hyperparameters = "hyperparameters:\n  - name: depth\n    type: int\n    min: 2\n    max: 9\n"
    (code_dir / "model-metadata.yaml").write_text(METADATA.format("regression") + hyperparameters)
    run(output=str(out), model={"target_type": None})
    assert json.loads((out / "model.json").read_text())["parameters"] == {"depth": 2}


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not JSON"), ("[1]", "must hold a JSON object")]
)
def test_faulty_parameter_file_is_refused(write_code, run, tmp_path, text, message):
    write_code(MEAN)
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(DrumError, match=message):
        run(parameter_file=str(tmp_path / "p.json"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def fit(X,", "def fit(X, *a, missing,", "missing"),
        ("json.dump(facts, file)", "1 / 0", "division by zero"),
        ("json.load(file)", "1 / 0", "Failure in predict server: An error occurred when loading"),
        ('[model["mean"]]', "[1 / 0]", "Failure in predict server: Model 'score' hook failed"),
        ("return json.load(file)", "os._exit(9)", "predict server: the process .* exit code 9"),
        ("return json.load(file)", "os.abort()", "predict server: the process .* of signal 6"),
    ],
)
def test_failure_leaves_the_output_as_it_was(write_code, run, out, old, new, message):
    write_code(MEAN.replace(old, new))
    (out / "custom.py").write_text("before")
    with pytest.raises(Exception, match=message):
        run(output=str(out))
    assert names(out) == ["custom.py"]
    assert (out / "custom.py").read_text() == "before"


RANDOM = MEAN.replace('[model["mean"]] * len(data)', "[os.urandom(1)[0] for _ in data['a']]")


def test_difference_is_a_warning(write_code, run, out, caplog):
    write_code(RANDOM)
    assert run(output=str(out))[-1] == "Success 🎉"
    assert "Your predictions were different when we tried to predict twice" in caplog.text
    Path(caplog.text.rstrip().rpartition(" ")[2]).unlink()


def test_difference_is_an_error_when_asked_for(write_code, run, out):
    write_code(RANDOM)
    with pytest.raises(DrumError, match="predictions were different") as caught:
        run(output=str(out), strict_exit=True)
    Path(str(caught.value).rpartition(" ")[2]).unlink()
    assert names(out) == []


def children() -> set[psutil.Process]:
    """The processes below this one; libraries that other tests use may have left some."""
    return set(psutil.Process().children(recursive=True))


def test_check_that_takes_too_long_is_ended(write_code, run):
    before = children()
    write_code(MEAN.replace("return json.load(file)", "__import__('time').sleep(600)"))
    began = time.monotonic()
    with pytest.raises(DrumError, match=r"took longer than 0.5 s; raise DRUM_FIT_CHECK_TIMEOUT"):
        run(environ={"DRUM_FIT_CHECK_TIMEOUT": "0.5"})
    assert time.monotonic() - began < 60
    assert children() <= before


def test_inferred_labels_reach_the_scoring(write_code, run, tmp_path):
    (tmp_path / "data.csv").write_text("a,y\n" + "1,yes\n2,no\n" * 10)
    write_code("""
import pandas as pd
def fit(X, y, output_dir, class_order): assert class_order == ["no", "yes"]
def load_model(code_dir): return 1
def score(data, model, positive_class_label, negative_class_label):
    n = len(data)
    return pd.DataFrame({positive_class_label: [.25] * n, negative_class_label: [.75] * n})
""")
    assert run(model={"target_type": "binary"})[-1] == READY


def test_check_predicts_what_json_says(write_code, run, tmp_path):
    rows = [{"zip": f"0070{n % 5}", "y": n} for n in range(20)]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    write_code(MEAN.replace('[model["mean"]] * len(data)', 'data["zip"].str.len()'))
    assert run(input=str(tmp_path / "data.json"))[-1] == READY


def test_column_trained_on_names_a_text_target_in_the_check(write_code, run, tmp_path):
    (tmp_path / "data.csv").write_text("prompt,y\n" + "ask,answer\n" * 12)
    write_code("""
import pandas as pd
def fit(X, y, output_dir): assert list(y) == ["answer"] * 12
def load_model(code_dir): return 1
def score(data, model): return pd.DataFrame({"y": ["answer"] * len(data)})
""")
    assert run(model={"target_type": "textgeneration"})[-1] == READY


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        (("input", "number_of_columns", "GREATER_THAN", 5), "failed for input:.*3 received"),
        (("input", "sparse", "EQUALS", "REQUIRED"), "failed for input:.*Dense input data found"),
        (("output", "number_of_columns", "EQUALS", 2), "only valid for custom transform tasks"),
    ],
)
def test_schema_holds_before_training(write_code, run, code_dir, requirement, message):
    write_code(MEAN)
    schema = SCHEMA.format(*requirement)
    (code_dir / "model-metadata.yaml").write_text(METADATA.format("regression") + schema)
    with pytest.raises(SchemaViolation, match=f"(?s){message}") as caught:
        run()
    assert caught.value.exit_code == 3


def test_broken_schema_is_only_logged_when_not_strict(write_code, run, code_dir, caplog):
    write_code(MEAN)
    schema = SCHEMA.format("input", "number_of_columns", "GREATER_THAN", 5)
    (code_dir / "model-metadata.yaml").write_text(METADATA.format("regression") + schema)
    run(strict_schema=False, skip_predict=True)
    assert "Incorrect number of columns. 3 received" in caplog.text


TRANSFORM = """
def fit(X, output_dir, **kwargs): pass
def load_model(code_dir): return 1
def transform(data, model): return data{}
"""


def test_transform_without_a_schema_has_the_default_one(write_code, run):
    write_code(TRANSFORM.format(""))
    lines = run(model={"target_type": "transform"})
    assert lines[0].startswith("WARNING: No type schema provided. For transforms, we enforce")
    assert lines[1:] == [*STARTED, *PREDICTED, READY]


def test_transform_against_its_schema_ends_with_3(write_code, run):
    write_code(TRANSFORM.format(".astype(str)"))
    with pytest.raises(SchemaViolation, match="failed for output") as caught:
        run(model={"target_type": "transform"})
    assert caught.value.exit_code == 3
    assert run(model={"target_type": "transform"}, strict_schema=False)[-1] == READY


SECRET_TASK = """
import pandas as pd
from datarobot_drum.custom_task_interfaces import RegressionEstimatorInterface
class CustomTask(RegressionEstimatorInterface):
    def fit(self, X, y, **kwargs): self.size = len(self.secrets["KEY"].api_token)
    def predict(self, X, **kwargs):
        return pd.DataFrame({"Predictions": [len(self.secrets["KEY"].api_token)] * len(X)})
"""


def test_secrets_are_there_for_fit_and_for_the_check(write_code, run, out, monkeypatch):
    write_code(SECRET_TASK)
    text = json.dumps({"credential_type": "api_token", "api_token": "sup3rs3cret"})
    monkeypatch.setenv("PFX_KEY", text)
    assert run(model={"user_secrets_prefix": "PFX"}, output=str(out))[-1] == "Success 🎉"
    assert CustomTaskInterface().secrets == {}
    assert b"sup3rs3cret" not in (out / "drum_artifact.pkl").read_bytes()


def test_interrupted_check_leaves_no_process(write_code, run, out, tmp_path):
    before = children()
    code = f"open({str(tmp_path / 'loaded')!r}, 'w').close(); __import__('time').sleep(600)"
    write_code(MEAN.replace("return json.load(file)", code))
    main_thread = threading.get_ident()

    def interrupt():
        while not (tmp_path / "loaded").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), 2)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(output=str(out))
    thread.join()
    assert threading.get_ident() == main_thread
    assert children() <= before
    assert names(out) == []


def test_output_may_be_below_the_model_folder(write_code, run, code_dir):
    write_code(MEAN)
    (code_dir / "out").mkdir()
    run(output=str(code_dir / "out"))
    assert names(code_dir) == [
        "custom.py",
        "out",
        "out/README.md",
        "out/custom.py",
        "out/model.json",
    ]
    assert "custom" in sys.modules
