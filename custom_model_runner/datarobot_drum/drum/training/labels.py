"""The target of a training run; class labels that nobody gave are found in the data."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import ModelMetadata, Target, resolve_target
from datarobot_drum.drum.settings import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("drum.fit")

BINARY = TargetType.BINARY.value
_INFERRED = (BINARY, TargetType.MULTICLASS.value)
#: A column of numbers taken for classes by mistake has too many to show.
_SHOWN_LABELS = 20


def resolve_fit_target(
    spec: ModelSpec,
    metadata: ModelMetadata | None,
    values: pd.Series[Any] | None,
    target_name: str | None,
) -> tuple[ModelSpec, Target]:
    """The target, and the model's description with the labels that scoring will need.

    Labels are the unique target values as text, sorted; the first of two is the positive one.
    """
    kind = spec.target_type or (metadata and metadata.target_type.value)
    if values is not None and kind in _INFERRED and not _has_labels(spec, metadata, kind):
        labels = _inferred(kind, values)
        spec = dataclasses.replace(spec, **_options(kind, labels))
    return spec, resolve_target(spec, metadata, target_name)


def class_order(target: Target) -> list[str] | None:
    """What the `fit` hook gets: [positive, negative], or the labels of many classes."""
    return list(target.labels) or None


def _inferred(kind: str, values: pd.Series[Any]) -> tuple[str, ...]:
    labels = sorted({str(value) for value in values.dropna().unique()})
    logger.warning("Class list not supplied. Using unique target values.")
    if not labels:
        raise DrumError("the target has no values, please revise training data")
    if len(labels) == 1:
        raise DrumError("Only one target label was provided, please revise training data")
    if kind == BINARY and len(labels) != 2:
        raise DrumError(
            f"Target type binary requires exactly 2 class labels. Detected {len(labels)}: "
            f"{labels[:_SHOWN_LABELS]}"
        )
    return tuple(labels)


def _options(kind: str, labels: tuple[str, ...]) -> dict[str, Any]:
    if kind == BINARY:
        return {"positive_class_label": labels[0], "negative_class_label": labels[1]}
    return {"class_labels": labels}


def _has_labels(spec: ModelSpec, metadata: ModelMetadata | None, kind: str) -> bool:
    if kind == BINARY:
        return bool(spec.positive_class_label or (metadata and metadata.positive_class_label))
    own = metadata and (metadata.class_labels or metadata.class_labels_file)
    return bool(spec.class_labels or own)
