"""The file `model-metadata.yaml`: what it may hold, and what is read from it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datarobot_drum.drum.enum import METADATA_FILE_NAME, TargetType
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder.hyperparameters import Hyperparameter, parse_hyperparameters
from datarobot_drum.drum.model_folder.type_schema import TypeSchema, parse_type_schema

logger = logging.getLogger("drum.model_folder")

_REQUIRED = ("name", "type", "targetType")
_TEXT_KEYS = (*_REQUIRED, "environmentID", "modelID", "description")
_SECTIONS: dict[str, tuple[str, ...]] = {
    "validation": ("input", "targetName"),
    "inferenceModel": (
        "targetName",
        "positiveClassLabel",
        "negativeClassLabel",
        "classLabels",
        "classLabelsFile",
        "predictionThreshold",
    ),
    "trainingModel": ("trainOnProject",),
    "inputSchema": ("title", "type", "properties", "required"),
}
_OTHER_KEYS = (
    "majorVersion",
    "hyperparameters",
    "typeSchema",
    "customPredictor",
    "runtimeParameterDefinitions",
    "userCredentialSpecifications",
    "lazyLoading",
)
_KEYS = {*_TEXT_KEYS, *_SECTIONS, *_OTHER_KEYS}
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class ModelMetadata:
    """The checked content of the file.

    `raw` is all of it, with the scalars as the text that was written, except `majorVersion` and
    `predictionThreshold`. `parameter_definitions` keep the types of YAML.
    """

    name: str
    type: str
    target_type: TargetType
    target_name: str | None = None
    positive_class_label: str | None = None
    negative_class_label: str | None = None
    class_labels: tuple[str, ...] | None = None
    class_labels_file: str | None = None
    prediction_threshold: float | None = None
    hyperparameters: tuple[Hyperparameter, ...] = ()
    type_schema: TypeSchema | None = None
    parameter_definitions: tuple[Any, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict)


def read_metadata(code_dir: str | Path) -> ModelMetadata | None:
    """The metadata of a model folder, or None without the file; DrumError says what is wrong."""
    path = Path(code_dir, METADATA_FILE_NAME)
    if not path.is_file():
        return None
    raw, definitions = _parse_yaml(path)
    _check_required(raw, _REQUIRED)
    _warn_about_unknown_keys(path, ", ".join(unknown_keys(raw)))
    _check_text_keys(raw)
    metadata = _metadata(raw, definitions)
    _check_inference_labels(metadata)
    return metadata


def parse_target_type(text: str) -> TargetType:
    """The target type of that name."""
    try:
        return TargetType(text)
    except ValueError as error:
        names = ", ".join(member.value for member in TargetType)
        raise DrumError(f"{error}; use one of {names}") from None


def _parse_yaml(path: Path) -> tuple[dict[str, Any], Any]:
    """The file with its scalars as text, and the typed definitions of runtime parameters."""
    from datarobot_drum.drum.model_folder.yaml_text import read_as_text, read_typed

    try:
        content = path.read_text(encoding="utf-8")
        raw, typed = read_as_text(content), read_typed(content)
    except ValueError as error:
        raise DrumError(f"{METADATA_FILE_NAME} is not valid YAML: {error}") from error
    if raw is None or raw == "":
        return {}, None
    if not isinstance(raw, dict):
        raise DrumError(f"{METADATA_FILE_NAME} must hold a mapping of keys to values")
    return raw, typed.get("runtimeParameterDefinitions")


def _metadata(raw: dict[str, Any], definitions: Any) -> ModelMetadata:
    inference = _section(raw, "inferenceModel")
    _section(raw, "trainingModel")
    validation = _section(raw, "validation")
    _check_required(validation, ("input",) if validation else ())
    _check_input_schema(raw)
    _check_credentials(raw.get("userCredentialSpecifications") or [])
    return ModelMetadata(
        name=raw["name"],
        type=raw["type"],
        target_type=parse_target_type(raw["targetType"]),
        target_name=_text(inference, "targetName"),
        positive_class_label=_text(inference, "positiveClassLabel"),
        negative_class_label=_text(inference, "negativeClassLabel"),
        class_labels=_labels(inference),
        class_labels_file=_text(inference, "classLabelsFile"),
        prediction_threshold=_threshold(inference),
        hyperparameters=parse_hyperparameters(raw.get("hyperparameters") or []),
        type_schema=parse_type_schema(raw["typeSchema"]) if raw.get("typeSchema") else None,
        parameter_definitions=_definitions(definitions),
        raw=_published(raw),
    )


def _published(raw: dict[str, Any]) -> dict[str, Any]:
    published = dict(raw)
    if "majorVersion" in raw:
        published["majorVersion"] = _boolean(raw["majorVersion"], "majorVersion")
    if "inferenceModel" in raw and "predictionThreshold" in raw["inferenceModel"]:
        threshold = {"predictionThreshold": _threshold(raw["inferenceModel"])}
        published["inferenceModel"] = {**raw["inferenceModel"], **threshold}
    return published


def _check_required(section: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    missing = [key for key in keys if key not in section]
    if missing:
        raise DrumError(
            f"The following keys are missing in {METADATA_FILE_NAME} file.\nMissing keys: {missing}"
        )


@functools.cache
def _warn_about_unknown_keys(path: Path, unknown: str) -> None:
    """Warn once, though one command reads the file several times."""
    if unknown:
        logger.warning("%s: unknown keys are ignored: %s", path.name, unknown)


def unknown_keys(raw: dict[str, Any]) -> Iterator[str]:
    """Keys of the file that mean nothing, with the section they are in."""
    yield from (str(key) for key in raw if key not in _KEYS)
    for name, keys in _SECTIONS.items():
        section = raw.get(name)
        if isinstance(section, dict):
            yield from (f"{name}.{key}" for key in section if key not in keys)


def _check_text_keys(raw: dict[str, Any]) -> None:
    for key in _TEXT_KEYS:
        if not isinstance(raw.get(key, ""), str):
            raise _fault(f"'{key}' must be text")


def _section(raw: dict[str, Any], name: str) -> dict[str, Any]:
    # A key without a value reads as empty text.
    section = raw.get(name) or {}
    if not isinstance(section, dict):
        raise _fault(f"'{name}' must be a mapping")
    return section


def _text(section: dict[str, Any], key: str) -> str | None:
    value = section.get(key)
    if value is not None and not isinstance(value, str):
        raise _fault(f"'{key}' must be text")
    return value or None


def _labels(inference: dict[str, Any]) -> tuple[str, ...] | None:
    labels = inference.get("classLabels")
    if labels is None:
        return None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _fault("'classLabels' must be a list of texts")
    return tuple(labels)


def _threshold(inference: dict[str, Any]) -> float | None:
    text = _text(inference, "predictionThreshold")
    try:
        return None if text is None else float(text)
    except ValueError:
        raise _fault(f"'predictionThreshold' must be a number, not {text!r}") from None


def _boolean(value: Any, key: str) -> bool:
    if str(value).lower() not in _BOOLEANS:
        raise _fault(f"'{key}' must be true or false")
    return _BOOLEANS[str(value).lower()]


def _definitions(definitions: Any) -> tuple[Any, ...]:
    if not isinstance(definitions or [], list):
        raise _fault("'runtimeParameterDefinitions' must be a list")
    return tuple(definitions or ())


def _check_input_schema(raw: dict[str, Any]) -> None:
    schema = _section(raw, "inputSchema")
    if not schema:
        return
    if schema.get("type") != "object":
        raise DrumError(
            "Error creating pydantic model from input schema: Only 'object' type schemas are "
            f"supported, got '{schema.get('type')}'"
        )
    if not isinstance(schema.get("properties"), dict):
        raise _fault("'inputSchema' must have a mapping 'properties'")
    if not isinstance(schema.get("required", []), list):
        raise _fault("'required' of 'inputSchema' must be a list")


def _check_credentials(raw: Any) -> None:
    is_list = isinstance(raw, list) and all(isinstance(item, dict) for item in raw)
    if not is_list or not all({"key", "valueFrom"} <= set(item) for item in raw):
        raise _fault(
            "'userCredentialSpecifications' must be a list of mappings with key, valueFrom"
        )


def _check_inference_labels(metadata: ModelMetadata) -> None:
    """An inference model of classes must name them in the file."""
    if metadata.type != "inference":
        return
    if metadata.target_type is TargetType.BINARY:
        inference = metadata.raw.get("inferenceModel")
        _check_required(metadata.raw, ("inferenceModel",))
        _check_required(inference or {}, ("positiveClassLabel", "negativeClassLabel"))
    elif metadata.target_type.is_classification:
        _check_class_labels(metadata)


def _check_class_labels(metadata: ModelMetadata) -> None:
    has_labels, has_file = metadata.class_labels is not None, metadata.class_labels_file is not None
    if has_labels and has_file:
        raise DrumError(
            "\nError - for multiclass classification, either the class labels or a class labels "
            f"file should be provided in {METADATA_FILE_NAME} file, but not both."
        )
    if not has_labels and not has_file:
        raise DrumError(
            "\nError - for multiclass classification, either the class labels or a class labels "
            f"file must be provided in {METADATA_FILE_NAME} file."
        )


def _fault(text: str) -> DrumError:
    return DrumError(f"{METADATA_FILE_NAME}: {text}")
