"""The process that predicts with a trained model, run in this one."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from datarobot_drum.drum.errors import HookError, SchemaViolation
from datarobot_drum.drum.settings import ModelSpec, Settings
from datarobot_drum.drum.training import check_process
from datarobot_drum.drum.training.check_job import CheckJob, CheckReport, Difference
from datarobot_drum.drum.training.check_process import differing_rows, run_check
from datarobot_drum.drum.training.tables import write_table

HEAD = "import itertools, pandas as pd\ndef load_model(code_dir): return itertools.count()\n"
X = pd.DataFrame({"a": [float(n) for n in range(40)]})
WRONG_TYPE = "def transform(data, model): return data.astype(str)"


@pytest.fixture
def check(tmp_path, write_code):
    """`check(code, target)` is a job that asks the model of this code."""

    def make(code, target_type="regression", **changes):
        folder = write_code(HEAD + code)
        features = write_table(X, tmp_path / "X")
        job = CheckJob(
            ModelSpec(str(folder), target_type),
            features,
            None,
            None,
            "report",
            True,
            False,
            "warning",
        )
        return replace(job, report=str(tmp_path / "report.json"), **changes)

    return make


def run(job):
    return run_check(job, Settings.load({}))


def test_model_that_agrees_with_itself_has_no_difference(check):
    code = "def score(data, model): return pd.DataFrame({'Predictions': data['a'] * 2})"
    assert run(check(code)) is None


def test_rows_that_differ_are_told_and_kept(check):
    code = (
        "def score(data, model):\n"
        "    late = next(model) * (data['a'] > 19)\n"
        "    return pd.DataFrame({'Predictions': data['a'] + late})\n"
    )
    difference = run(check(code))
    kept = pd.read_csv(difference.sample)
    Path(difference.sample).unlink()
    assert len(kept) == 10
    rows = int((kept["a"] > 19).sum())
    assert len(difference.first.splitlines()) == len(difference.second.splitlines()) == rows + 1


AGAIN_RAISES = """
def score(data, model):
    if next(model): raise KeyError("again")
    return data[['a']]
"""


@pytest.mark.parametrize("code", ["def score(data, model): return data[['a']]", AGAIN_RAISES])
def test_no_file_is_left_when_no_difference_is_shown(check, tmp_path, monkeypatch, code):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with suppress(HookError):
        run(check(code))
    assert (tmp_path / "sample.csv").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_text_target_has_the_name_that_was_trained_on(check):
    code = "def score(data, model): return pd.DataFrame({'answer': ['text'] * len(data)})"
    assert run(check(code, "textgeneration", target_name="answer")) is None


def test_transform_gets_the_target_and_is_held_to_the_default_schema(check, tmp_path):
    code = "def transform(data, model, y): return data.assign(y=y['t'])"
    target = write_table(pd.DataFrame({"t": range(40)}), tmp_path / "y")
    assert run(check(code, "transform", target=target, has_default_schema=True)) is None


def test_broken_default_schema_is_an_error(check):
    with pytest.raises(SchemaViolation, match="failed for output"):
        run(check(WRONG_TYPE, "transform", has_default_schema=True))


def test_broken_schema_is_only_logged_when_not_strict(check, caplog):
    run(check(WRONG_TYPE, "transform", has_default_schema=True, strict_schema=False))
    assert "Datatypes incorrect" in caplog.text


@pytest.mark.parametrize(
    ("first", "second", "rows"),
    [
        ([1.0, 2.0, 3.0], [1.019, 2.1, 3.0], [1]),
        ([0.0, 0.0], [9e-7, 2e-6], [1]),
        ([None, 1.0], [None, None], [1]),
        ([1, 2], [1.0, 2.0], []),
        (["a", "b", None], ["a", "c", None], [1]),
        ([True, False], [True, True], [1]),
        ([1.0, 2.0], [1.0], [0]),
    ],
)
def test_rows_differ_by_more_than_the_tolerance(first, second, rows):
    frames = (pd.DataFrame({"p": values}) for values in (first, second))
    assert differing_rows(*frames) == rows


def test_other_columns_make_all_rows_differ():
    assert differing_rows(pd.DataFrame({"p": [1, 2]}), pd.DataFrame({"q": [1, 2]})) == [0, 1]


@pytest.fixture
def quiet_logging():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("code", "error", "exit_code"),
    [
        ("def score(data, model): return data[['a']]", None, 1),
        ("def score(data, model): raise KeyError('k')", "failed to make predictions", 1),
        ("raise SystemExit(0)", "SystemExit(0)", 1),
        (WRONG_TYPE, "schema validation failed", 3),
    ],
)
def test_process_reports_how_it_went(
    check, tmp_path, monkeypatch, quiet_logging, code, error, exit_code
):
    monkeypatch.setattr(check_process, "_end_with_parent", lambda folder: None)
    target = "transform" if exit_code == 3 else "regression"
    job = check(code, target, has_default_schema=exit_code == 3)
    job.write(tmp_path / "job.json")
    assert check_process.main([str(tmp_path / "job.json")]) == 0
    report = CheckReport.read(tmp_path / "report.json")
    assert report.exit_code == exit_code
    assert (report.error is None) if error is None else (error in str(report.error))
    assert report.memory > 10


def test_job_and_report_come_back_from_their_files(tmp_path, check):
    target = write_table(
        pd.DataFrame({"p": [0, 1]}).astype(pd.SparseDtype("float64", 0.0)), tmp_path / "y"
    )
    spec = ModelSpec("/m", "multiclass", class_labels=("a", "b"))
    job = replace(check(""), target=target, model=spec)
    job.write(tmp_path / "job")
    assert CheckJob.read(tmp_path / "job") == job
    report = CheckReport(1.5, "error", 3, Difference("1", "2", "f"))
    report.write(tmp_path / "report")
    assert CheckReport.read(tmp_path / "report") == report
