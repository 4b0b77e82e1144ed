"""What can be pushed, and what the platform's client sends for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stand_ins.platform import TOKEN, Platform, platform

from datarobot_drum.drum.errors import DrumError, StartupError
from datarobot_drum.drum.model_folder import read_metadata
from datarobot_drum.drum.platform_services.push import Pushed, check_metadata, upload

INFERENCE = """
name: my model
type: inference
targetType: regression
environmentID: env-1
validation: {input: data.csv}
inferenceModel: {targetName: y}
"""
TRAINING = """
name: my task
type: training
targetType: regression
environmentID: env-1
validation: {input: data.csv, targetName: y}
"""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    with platform() as service:
        monkeypatch.setenv("DATAROBOT_ENDPOINT", f"{service.url}/api/v2")
        monkeypatch.setenv("DATAROBOT_API_TOKEN", TOKEN)
        yield service


def push(folder: Path, metadata: str) -> Pushed:
    (folder / "model-metadata.yaml").write_text(metadata)
    return upload(check_metadata(read_metadata(folder)), str(folder))


def test_model_is_created_and_its_files_are_sent(service: Platform, tmp_path: Path):
    (tmp_path / "custom.py").write_text("code")
    for name in ("__pycache__", ".git", "below"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    pushed = push(tmp_path, INFERENCE)
    assert pushed == Pushed(
        "model-1", "version-1", True, f"{service.url}/model-registry/custom-models/model-1"
    )
    sent = service.bodies["/customModels/"]
    assert (sent["name"], sent["targetType"], sent["targetName"]) == ("my model", "Regression", "y")
    parts = service.parts("/customModels/model-1/versions/")
    assert ("baseEnvironmentId", "env-1") in parts
    assert {"custom.py", "file", "model-metadata.yaml"} <= {name for name, _ in parts}
    assert ("filePath", "below/file") in parts
    assert not any("pycache" in text or ".git" in text for _, text in parts)


def test_labels_and_threshold_of_a_binary_model_are_sent(service: Platform, tmp_path: Path):
    labels = "positiveClassLabel: yes, negativeClassLabel: no, predictionThreshold: 0.25"
    metadata = INFERENCE.replace("regression", "binary").replace(
        "{targetName", f"{{{labels}, targetName"
    )
    push(tmp_path, metadata)
    sent = service.bodies["/customModels/"]
    assert (sent["positiveClassLabel"], sent["negativeClassLabel"]) == ("yes", "no")
    assert sent["predictionThreshold"] == 0.25


def test_labels_file_of_a_multiclass_model_is_sent(service: Platform, tmp_path: Path):
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    metadata = INFERENCE.replace("regression", "multiclass").replace(
        "{targetName", "{classLabelsFile: labels.txt, targetName"
    )
    push(tmp_path, metadata)
    assert service.bodies["/customModels/"]["classLabels"] == ["a", "b", "c"]


def test_known_model_gets_a_minor_version(service: Platform, tmp_path: Path):
    pushed = push(tmp_path, f"{INFERENCE}modelID: known\nmajorVersion: false\n")
    assert (pushed.id, pushed.created) == ("known", False)
    assert ("POST", "/customModels/") not in service.requests
    assert ("isMajorUpdate", "False") in service.parts("/customModels/known/versions/")


def test_task_is_created_and_trained(service: Platform, tmp_path: Path):
    pushed = push(tmp_path, f"{TRAINING}trainingModel: {{trainOnProject: p-1}}\n")
    assert pushed.created
    assert pushed.training_link == f"{service.url}/projects/p-1/models"
    assert service.bodies["/customTasks/"]["targetType"] == "Regression"
    assert service.bodies["/projects/p-1/models/"]["blueprintId"] == "b-1"


def test_known_task_is_not_trained_unasked(service: Platform, tmp_path: Path):
    pushed = push(tmp_path, f"{TRAINING}modelID: known\n")
    assert (pushed.id, pushed.created, pushed.training_link) == ("known", False, None)


def test_error_of_the_platform_is_told(service: Platform, tmp_path: Path):
    service.fails = "/customModels/"
    with pytest.raises(StartupError, match="the upload failed: .*the platform is tired"):
        push(tmp_path, INFERENCE)


def test_no_platform_is_told(free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATAROBOT_ENDPOINT", f"http://127.0.0.1:{free_port}/api/v2")
    monkeypatch.setenv("DATAROBOT_API_TOKEN", TOKEN)
    with pytest.raises(StartupError, match="the platform's API cannot be used") as error:
        push(tmp_path, INFERENCE)
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (INFERENCE.replace("validation", "x"), r"Missing keys: \['validation'\]"),
        (INFERENCE.replace("environmentID", "x"), r"Missing keys: \['environmentID'\]"),
        (INFERENCE.replace("inferenceModel", "x"), r"Missing keys: \['inferenceModel'\]"),
        (INFERENCE.replace("{targetName: y}", "{predictionThreshold: 1}"), "inferenceModel.target"),
        (TRAINING.replace(", targetName: y", ""), r"Missing keys: \['validation.targetName'\]"),
        (INFERENCE.replace("regression", "unstructured"), "Unsupported target type unstructured"),
    ],
)
def test_model_that_cannot_be_pushed_is_refused(metadata: str, message: str, tmp_path: Path):
    (tmp_path / "model-metadata.yaml").write_text(metadata)
    with pytest.raises(DrumError, match=message):
        check_metadata(read_metadata(tmp_path))


def test_anomaly_task_needs_no_target(tmp_path: Path):
    metadata = TRAINING.replace(", targetName: y", "").replace("regression", "anomaly")
    (tmp_path / "model-metadata.yaml").write_text(metadata)
    assert check_metadata(read_metadata(tmp_path)).name == "my task"


def test_folder_without_metadata_is_refused(tmp_path: Path):
    with pytest.raises(DrumError, match="Target type is missing"):
        check_metadata(read_metadata(tmp_path))
