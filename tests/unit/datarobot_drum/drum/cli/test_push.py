"""`drum push` tries the model first; which command line it tries it with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from datarobot_drum.drum.cli import push
from datarobot_drum.drum.cli.parser import parse
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import read_metadata

METADATA = """
name: m
type: {type}
targetType: {target}
environmentID: e
validation: {{input: {input}, targetName: y}}
inferenceModel: {{targetName: y}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("a,y\n1,2\n")
    return tmp_path


def command_for(folder: Path, *words: str, type: str = "inference", **facts: str) -> list[str]:
    facts = {"target": "regression", "input": "rows.csv", **facts}
    (folder / "model-metadata.yaml").write_text(METADATA.format(type=type, **facts))
    metadata = read_metadata(folder)
    assert metadata is not None
    args = parse(["push", "--code-dir", str(folder), *words], {})
    command = push.validation_command(args, metadata)
    assert tuple(command[: len(push.DRUM)]) == push.DRUM
    return command[len(push.DRUM) :]


def test_inference_model_scores_its_data(folder: Path):
    command = command_for(folder)
    assert command[:5] == ["score", "--code-dir", str(folder), "--input", str(folder / "rows.csv")]
    assert command[-2:] == ["--output", "/dev/null"]


def test_training_model_is_fitted(folder: Path):
    command = command_for(folder, "--disable-strict-validation", type="training")
    assert command[0] == "fit"
    assert command[-3:] == ["--target", "y", "--disable-strict-validation"]


def test_anomaly_task_is_fitted_without_a_target(folder: Path):
    assert "--target" not in command_for(folder, type="training", target="anomaly")


def test_options_of_the_container_are_passed_on(folder: Path):
    words = ["--docker", "img", "--memory", "2g", "--skip-deps-install"]
    command = command_for(folder, *words)
    assert command[command.index("--docker") :][:5] == words


def test_data_may_lie_outside_the_folder(folder: Path, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "other.csv").write_text("a\n1\n")
    monkeypatch.chdir(elsewhere)
    assert str(elsewhere / "other.csv") in command_for(folder, input="other.csv")


def test_missing_data_is_told(folder: Path):
    with pytest.raises(DrumError, match="validation.input does not exist: none.csv"):
        command_for(folder, input="none.csv")


def test_missing_client_is_told_before_the_model_is_tried(folder: Path, monkeypatch):
    command_for(folder)
    monkeypatch.setitem(sys.modules, "datarobot", None)
    with pytest.raises(DrumError, match=r"drum push: .*pip install 'opendrum\[datarobot\]'"):
        push.run(parse(["push", "--code-dir", str(folder)], {}))
