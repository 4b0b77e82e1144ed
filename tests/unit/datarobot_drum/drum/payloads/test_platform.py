"""Predictions in platform format, against recorded answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import InvalidOutput, StartupError
from datarobot_drum.drum.payloads import (
    DeploymentConfig,
    OutputRules,
    Predictions,
    load_deployment_config,
    platform_json,
)


def written(path: Path, config: object) -> Path:
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def rows(
    target_type: TargetType,
    frame: dict[str, Any],
    config: DeploymentConfig,
    extra: pd.DataFrame | None = None,
) -> Any:
    predictions = Predictions(pd.DataFrame(frame), extra)
    labels = tuple(frame) if target_type.is_classification else ()
    return json.loads(platform_json(predictions, config, OutputRules(target_type, labels)))["data"]


def test_deployment_config_is_read_in_the_order_of_the_mapping(tmp_path: Path) -> None:
    target = {
        "name": "y",
        "class_mapping": [["red", 2], ["green", 0], [1, 1.0]],
        "prediction_threshold": 0.4,
    }
    config = load_deployment_config(written(tmp_path / "c.json", {"target": target}))
    assert config == DeploymentConfig("y", ("green", "1", "red"), 0.4)


def test_deployment_config_without_classes_or_threshold_is_enough(tmp_path: Path) -> None:
    target = {"name": "y", "class_mapping": None, "prediction_threshold": None}
    config = load_deployment_config(written(tmp_path / "c.json", {"target": target}))
    assert config == DeploymentConfig("y")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "Failed to parse deployment config json file '{path}'"),
        ({"nothing": 1}, "'target' section not found in deployment config json file {path}"),
        ([], "'target' section not found in deployment config json file {path}"),
        ({"target": {"name": "y"}}, "bad 'target' section in deployment config json file {path}"),
        ({"target": {"name": "y", "class_mapping": ["no"]}}, "bad 'target' section"),
        ({"target": {"name": "y", "class_mapping": [["no", "x"]]}}, "bad 'target' section"),
    ],
)
def test_deployment_config_that_is_wrong_stops_the_start(
    tmp_path: Path, config: object, message: str
) -> None:
    path = written(tmp_path / "c.json", config)
    with pytest.raises(StartupError) as refused:
        load_deployment_config(path)
    assert message.format(path=path) in str(refused.value)


def test_deployment_config_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="Failed to parse deployment config json file"):
        load_deployment_config(tmp_path / "none.json")


def test_regression_in_platform_format_is_as_recorded() -> None:
    predictions = Predictions(
        pd.DataFrame({"Predictions": [2, 4]}), pd.DataFrame({"why": ["r0", "r1"], "n": [0, 1]})
    )
    rules = OutputRules(TargetType.REGRESSION)
    assert platform_json(predictions, DeploymentConfig("y"), rules) == (
        b'{"data": [{"prediction": 2.0, "predictionValues": [{"label": "y", "value": 2.0}], '
        b'"rowId": 0, "extraModelOutput": {"why": "r0", "n": 0}}, '
        b'{"prediction": 4.0, "predictionValues": [{"label": "y", "value": 4.0}], '
        b'"rowId": 1, "extraModelOutput": {"why": "r1", "n": 1}}]}'
    )


def test_anomaly_in_platform_format_has_its_own_label() -> None:
    (row,) = rows(TargetType.ANOMALY, {"Predictions": [-1.0]}, DeploymentConfig("y"))
    assert row["predictionValues"] == [{"label": "Anomaly Score", "value": -1.0}]


@pytest.mark.parametrize("target_type", [TargetType.TEXT_GENERATION, TargetType.GEO_POINT])
def test_text_in_platform_format_is_the_value(target_type: TargetType) -> None:
    (row,) = rows(target_type, {"Predictions": ["echo"]}, DeploymentConfig("y"))
    values = [{"label": "y", "value": "echo"}]
    assert row == {"prediction": "echo", "predictionValues": values, "rowId": 0}


def test_binary_in_platform_format_is_as_recorded() -> None:
    predictions = Predictions(pd.DataFrame({"yes": [0.4, 0.9], "no": [0.6, 0.1]}))
    config = DeploymentConfig("y", ("no", "yes"), 0.4)
    rules = OutputRules(TargetType.BINARY, ("yes", "no"))
    assert platform_json(predictions, config, rules) == (
        b'{"data": [{"prediction": "no", "predictionValues": [{"label": "yes", "value": 0.4}, '
        b'{"label": "no", "value": 0.6}], "predictionThreshold": 0.4, "rowId": 0}, '
        b'{"prediction": "yes", "predictionValues": [{"label": "yes", "value": 0.9}, '
        b'{"label": "no", "value": 0.09999999999999998}], "predictionThreshold": 0.4, "rowId": 1}]}'
    )


def test_multiclass_in_platform_format_takes_the_first_maximum() -> None:
    config = DeploymentConfig("y", ("green", "blue", "red"))
    frame = {"red": [0.4], "green": [0.2], "blue": [0.4]}
    (row,) = rows(TargetType.MULTICLASS, frame, config)
    assert row["prediction"] == "blue"
    assert [value["value"] for value in row["predictionValues"]] == [0.2, 0.4, 0.4]
    assert "predictionThreshold" not in row


def test_multilabel_in_platform_format_lists_what_is_over_the_threshold() -> None:
    config = DeploymentConfig("y", ("x", "y", "z"), 0.5)
    (row,) = rows(TargetType.MULTILABEL, {"z": [0.5], "y": [0.8], "x": [0.9]}, config)
    assert row["prediction"] == ["x", "y"]
    assert row["predictionThreshold"] == 0.5


def test_mapping_may_spell_the_labels_differently() -> None:
    config = DeploymentConfig("y", ("0.0", "1.0"))
    (row,) = rows(TargetType.BINARY, {"1": [0.9], "0": [0.1]}, config)
    assert row["prediction"] == "1.0"


def test_mapping_with_other_labels_is_refused() -> None:
    with pytest.raises(
        InvalidOutput, match="class mapping of the deployment config has the labels"
    ):
        rows(TargetType.BINARY, {"1": [0.9], "0": [0.1]}, DeploymentConfig("y"))


def test_extra_values_in_platform_format_are_plain_json() -> None:
    extra = pd.DataFrame(
        {"ts": [pd.Timestamp("2024-01-02T03:04:05")], "n": [float("nan")], 1: ["x"]}
    )
    (row,) = rows(TargetType.REGRESSION, {"Predictions": [1]}, DeploymentConfig("y"), extra)
    assert row["extraModelOutput"] == {"ts": 1704164645000, "n": None, "1": "x"}
