"""`drum fit`: exit codes and channels; what training does is tested with it."""

from __future__ import annotations

import logging
import sys

import pytest

from datarobot_drum.drum.main import main

FIT = "import os, pathlib\ndef fit(X, y, output_dir, **kwargs):\n    {}\n"


@pytest.fixture(autouse=True)
def as_a_process(monkeypatch):
    """Undo what a command does to its process: import path, module `custom`, log handlers."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    sys.modules.pop("custom", None)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def fit(tmp_path):
    """`fit(body, *words)` runs the command on a folder whose `fit` hook has this body."""
    (tmp_path / "model").mkdir()
    (tmp_path / "data.csv").write_text("a,y\n1,2\n2,3\n")

    def run(body, *words, target_type="regression", target=("--target", "y")):
        (tmp_path / "model" / "custom.py").write_text(FIT.format(body))
        line = ["fit", "-cd", str(tmp_path / "model"), "--input", str(tmp_path / "data.csv")]
        kind = ["--target-type", target_type] if target_type else []
        return main([*line, *kind, *target, "--skip-predict", *words])

    return run


def test_stdout_has_the_lines_of_the_command_alone(fit, capfd):
    body = "print('from the hook'); os.write(1, b'from below')"
    assert fit(body, "--verbose") == 0
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert lines[:3] == ["Detected fit mode", "Starting Fit", "Fit successful"]
    assert lines[3].startswith("Maximum fit memory usage: ")
    assert lines[4].startswith("Validation Complete 🎉")
    assert "from the hook" in err
    assert "from below" in err


def test_nothing_is_written_beside_the_code(fit, tmp_path):
    (tmp_path / "out").mkdir()
    fit("pathlib.Path(output_dir, 'artifact').touch()", "--output", str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["custom.py"]
    assert (tmp_path / "out" / "artifact").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('boom-fit')", "ValueError: boom-fit"),
        ("X.no_such_thing", "AttributeError: 'DataFrame' object has no attribute 'no_such_thing'"),
        ("raise SystemExit(0)", "the model code ended the command with sys.exit(0)"),
    ],
)
def test_failure_of_the_hook_ends_with_1_and_its_reason(fit, capfd, body, said):
    assert fit(body) == 1
    out, err = capfd.readouterr()
    assert out == "Starting Fit\n"
    assert said in err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"target": ()}, 1, "With target type 'regression', target feature has to be provided"),
        ({"target_type": "unstructured"}, 1, "drum fit cannot train unstructured models"),
        ({"target_type": "anomaly"}, 1, "are mutually exclusive with 'anomaly' target type"),
        ({"target_type": None}, 1, "Target type is missing"),
        ({"target": ("--target", "zz")}, 1, "The column 'zz' does not exist"),
        ({"target": ("--target", "y", "--num-rows", "0")}, 2, "must be > 0"),
        ({"target": ("--target", "y", "--num-rows", "some")}, 2, "'some' is not a whole number"),
        ({"target": ("--target", "y", "--num-rows", "3")}, 1, "greater than data length 3 > 2"),
        ({"target": ("--target", "y", "--output", "gone")}, 2, "the output directory will consist"),
    ],
)
def test_command_line_that_cannot_work_is_refused(fit, capfd, options, code, said):
    assert fit("pass", **options) == code
    assert said in "".join(capfd.readouterr())


@pytest.mark.parametrize("number", ["ALL", "all", "2", "1"])
def test_number_of_rows_is_a_number_or_all(fit, number):
    rows = 1 if number == "1" else 2
    assert fit(f"assert len(X) == {rows}", "--num-rows", number) == 0


def test_target_type_of_the_metadata_is_enough(fit, tmp_path):
    metadata = "name: n\ntype: training\ntargetType: anomaly\n"
    (tmp_path / "model" / "model-metadata.yaml").write_text(metadata)
    assert fit("assert y is None", target_type=None, target=()) == 0


def test_defaults_of_runtime_parameters_are_set(fit, tmp_path, monkeypatch):
    monkeypatch.delenv("MLOPS_RUNTIME_PARAM_DEPTH", raising=False)
    definition = "runtimeParameterDefinitions:\n  - fieldName: DEPTH\n    type: numeric\n"
    metadata = f"name: n\ntype: training\ntargetType: regression\n{definition}    defaultValue: 3\n"
    (tmp_path / "model" / "model-metadata.yaml").write_text(metadata)
    body = "assert '3' in os.environ['MLOPS_RUNTIME_PARAM_DEPTH']"
    try:
        assert fit(body) == 0
    finally:
        monkeypatch.setenv("MLOPS_RUNTIME_PARAM_DEPTH", "")
        monkeypatch.delenv("MLOPS_RUNTIME_PARAM_DEPTH")
