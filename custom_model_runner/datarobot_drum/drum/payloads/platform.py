"""Predictions in platform format, chosen by `--deployment-config`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pandas import DataFrame

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import InvalidOutput, StartupError
from datarobot_drum.drum.payloads.json_text import plain_json
from datarobot_drum.drum.payloads.labels import match_labels
from datarobot_drum.drum.payloads.schema import OutputRules, Predictions
from datarobot_drum.drum.payloads.writers import epoch_milliseconds

Row = dict[str, Any]

_ANOMALY_LABEL = "Anomaly Score"


@dataclass(frozen=True)
class DeploymentConfig:
    """The `target` section of a deployment config; labels are in the order of their index."""

    target_name: str
    labels: tuple[str, ...] = ()
    threshold: float = 0.5


def load_deployment_config(path: str | Path) -> DeploymentConfig:
    """Read a deployment config file; StartupError says what is wrong with it."""
    try:
        config = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise StartupError(f"Failed to parse deployment config json file '{path}'") from error
    target = config.get("target") if isinstance(config, dict) else None
    if not isinstance(target, dict):
        raise StartupError(f"'target' section not found in deployment config json file {path}")
    try:
        return _config(target)
    except (KeyError, TypeError, ValueError) as error:
        raise StartupError(
            f"bad 'target' section in deployment config json file {path}: it needs 'name', "
            "'class_mapping' (null, or a list of [label, index]) and 'prediction_threshold'"
        ) from error


def platform_json(predictions: Predictions, config: DeploymentConfig, rules: OutputRules) -> bytes:
    """The body of a predict answer in platform format."""
    rows = list(_rows(predictions.frame, config, rules))
    if predictions.extra is not None:
        for row, extra in zip(rows, _records(predictions.extra), strict=False):
            row["extraModelOutput"] = extra
    return plain_json({"data": rows})


def _config(target: dict[str, Any]) -> DeploymentConfig:
    threshold = target.get("prediction_threshold")
    mapping = sorted(target["class_mapping"] or (), key=lambda pair: float(pair[1]))
    return DeploymentConfig(
        target_name=str(target["name"]),
        labels=tuple(str(label) for label, _ in mapping),
        threshold=0.5 if threshold is None else float(threshold),
    )


def _rows(frame: DataFrame, config: DeploymentConfig, rules: OutputRules) -> Iterator[Row]:
    if rules.is_classification:
        frame = _by_mapping(frame, config)
        make = _CLASSIFICATION_ROWS[rules.target_type]
        return make(frame.to_numpy(dtype="float64", na_value=np.nan), config)
    column = frame.iloc[:, 0]
    values = column.astype("float64").tolist() if rules.is_numeric else column.tolist()
    is_anomaly = rules.target_type is TargetType.ANOMALY
    return _single_rows(values, _ANOMALY_LABEL if is_anomaly else config.target_name)


def _by_mapping(frame: DataFrame, config: DeploymentConfig) -> DataFrame:
    """The columns in the order of the mapping, whose labels may be spelled differently."""
    names = match_labels(config.labels, tuple(frame.columns))
    if names is None:
        raise InvalidOutput(
            f"the class mapping of the deployment config has the labels {list(config.labels)}, "
            f"but predictions have {list(frame.columns)}"
        )
    return frame[list(names)]


def _single_rows(values: list[Any], label: str) -> Iterator[Row]:
    for number, value in enumerate(values):
        yield {
            "prediction": value,
            "predictionValues": [{"label": label, "value": value}],
            "rowId": number,
        }


def _binary_rows(array: np.ndarray[Any, Any], config: DeploymentConfig) -> Iterator[Row]:
    negative, positive = config.labels
    for number, value in enumerate(array[:, 1].tolist()):
        yield {
            "prediction": positive if value > config.threshold else negative,
            "predictionValues": _values((positive, negative), (value, 1 - value)),
            "predictionThreshold": config.threshold,
            "rowId": number,
        }


def _multiclass_rows(array: np.ndarray[Any, Any], config: DeploymentConfig) -> Iterator[Row]:
    for number, values in enumerate(array.tolist()):
        yield {
            "prediction": config.labels[values.index(max(values))],
            "predictionValues": _values(config.labels, values),
            "rowId": number,
        }


def _multilabel_rows(array: np.ndarray[Any, Any], config: DeploymentConfig) -> Iterator[Row]:
    for number, values in enumerate(array.tolist()):
        pairs = zip(config.labels, values, strict=True)
        yield {
            "prediction": [label for label, value in pairs if value > config.threshold],
            "predictionValues": _values(config.labels, values),
            "predictionThreshold": config.threshold,
            "rowId": number,
        }


_CLASSIFICATION_ROWS = {
    TargetType.BINARY: _binary_rows,
    TargetType.MULTICLASS: _multiclass_rows,
    TargetType.MULTILABEL: _multilabel_rows,
}


def _values(labels: tuple[str, ...], values: Any) -> list[Row]:
    return [{"label": label, "value": value} for label, value in zip(labels, values, strict=True)]


def _records(frame: DataFrame) -> list[Row]:
    """One object a row, its cells as plain Python values."""
    frame = epoch_milliseconds(frame)
    names = [str(name) for name in frame.columns]
    columns = [frame.iloc[:, number].tolist() for number in range(len(names))]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]
