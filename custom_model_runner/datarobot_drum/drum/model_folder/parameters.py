"""Runtime parameters of a model folder: their definitions, a values file and their defaults."""

from __future__ import annotations

import json
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datarobot_drum.drum.enum import METADATA_FILE_NAME
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder.metadata import read_metadata
from datarobot_drum.runtime_parameters.exceptions import (
    ErrorLoadingRuntimeParameter,
    InvalidEmptyYamlContent,
    InvalidInputFilePath,
    InvalidYamlContent,
    RuntimeParameterException,
)
from datarobot_drum.runtime_parameters.transport import (
    decode,
    encode,
    payload_fault,
    type_fault,
    variable_name,
)

Environ = MutableMapping[str, str]

#: Set to true to let parameters with `allowEmpty: false` stay without a value.
ALLOW_EMPTY_VARIABLE = "DRUM_ALLOW_EMPTY_PARAMETERS"


@dataclass(frozen=True)
class Definition:
    """What the metadata says of one parameter."""

    name: str
    type: str
    default: Any
    minimum: float | None
    maximum: float | None
    allow_empty: bool


def load_runtime_parameter_file(
    path: str | Path, code_dir: str | Path, environ: Environ = os.environ
) -> None:
    """Put every defined parameter into the environment: its value of the file, or its default.

    Variables that exist are replaced; names of the file without a definition are ignored.
    """
    try:
        definitions = _definitions(code_dir, is_required=True)
        values = _read_values(Path(path))
        payloads = [
            (definition, values.get(definition.name, definition.default))
            for definition in definitions
        ]
        for definition, payload in payloads:
            _check_value(definition, payload, environ)
    except RuntimeParameterException as error:
        raise DrumError(str(error)) from error
    for definition, payload in payloads:
        environ[variable_name(definition.name)] = encode(definition.type, payload)


def apply_default_parameters(code_dir: str | Path, environ: Environ = os.environ) -> None:
    """Put the defaults into the environment of parameters that have no variable yet.

    A parameter without a default stays unset. A variable with a bare value is rewritten in the
    type of its definition.
    """
    try:
        for definition in _definitions(code_dir, is_required=False):
            _apply_default(definition, environ)
    except RuntimeParameterException as error:
        raise DrumError(str(error)) from error


def _apply_default(definition: Definition, environ: Environ) -> None:
    variable = variable_name(definition.name)
    if variable in environ:
        found = decode(variable, environ[variable])
        if found.type is None:
            payload = _typed(definition, found.value)
            _check_value(definition, payload, environ)
            if payload is not found.value:
                environ[variable] = encode(definition.type, payload)
        else:
            _check_not_empty(definition, found.value, environ)
        return
    _check_value(definition, definition.default, environ)
    if definition.default is not None:
        environ[variable] = encode(definition.type, definition.default)


def _typed(definition: Definition, text: str) -> Any:
    """A bare value as the definition's type; text stays text where it is not of that type."""
    if definition.type not in ("numeric", "boolean"):
        return text
    try:
        return json.loads(text.strip().lower())
    except ValueError:
        return text


def _definitions(code_dir: str | Path, *, is_required: bool) -> list[Definition]:
    metadata = read_metadata(code_dir)
    if metadata is None and is_required:
        raise InvalidInputFilePath(f"{METADATA_FILE_NAME} must exist to use runtime parameters")
    definitions: list[Definition] = []
    for raw in metadata.parameter_definitions if metadata else ():
        definition = _definition(raw)
        if definition.name in (known.name for known in definitions):
            raise ErrorLoadingRuntimeParameter(
                f"Failed to load runtime parameter [{definition.name}], duplicated definition"
            )
        definitions.append(definition)
    if is_required and not definitions:
        raise InvalidEmptyYamlContent(
            f"{METADATA_FILE_NAME}: YAML file must contain at least one parameter definition "
            "in the section 'runtimeParameterDefinitions'"
        )
    return definitions


def _definition(raw: Any) -> Definition:
    if not isinstance(raw, dict):
        raise _bad_definition("definition", "value is not a mapping")
    name, type_name = raw.get("fieldName"), raw.get("type")
    if not isinstance(name, str) or not name:
        raise _bad_definition("fieldName", "value must be text that is not empty")
    fault = type_fault(type_name)
    if fault is not None:
        raise _bad_definition("type", fault)
    return Definition(
        name=name,
        type=str(type_name),
        default=raw.get("defaultValue"),
        minimum=_bound(raw, "minValue"),
        maximum=_bound(raw, "maxValue"),
        allow_empty=_allow_empty(raw),
    )


def _bound(raw: dict[str, Any], key: str) -> float | None:
    value = raw.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise _bad_definition(key, "value must be a number")
    return value


def _allow_empty(raw: dict[str, Any]) -> bool:
    value = raw.get("allowEmpty", True)
    if not isinstance(value, bool):
        raise _bad_definition("allowEmpty", "value must be true or false")
    return value


def _bad_definition(key: str, fault: str) -> ErrorLoadingRuntimeParameter:
    return ErrorLoadingRuntimeParameter(f"Failed to load runtime parameter: { {key: fault} }")


def _read_values(path: Path) -> dict[Any, Any]:
    from datarobot_drum.drum.model_folder.yaml_text import read_typed

    if not path.is_file():
        raise InvalidInputFilePath(f"Runtime parameter values file does not exist: {path}")
    try:
        values = read_typed(path.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"Invalid runtime parameter values YAML content! {error}"
        raise InvalidYamlContent(message) from error
    if not values:
        raise InvalidEmptyYamlContent("Runtime parameter values YAML file is empty!")
    if not isinstance(values, dict):
        raise InvalidYamlContent(
            "Invalid runtime parameter values YAML content! The file must map names to values."
        )
    return values


def _check_value(definition: Definition, payload: Any, environ: Environ) -> None:
    _check_not_empty(definition, payload, environ)
    fault = payload_fault(definition.type, payload) or _range_fault(definition, payload)
    if fault is not None:
        raise _bad_value(definition, fault)


def _check_not_empty(definition: Definition, payload: Any, environ: Environ) -> None:
    is_allowed = environ.get(ALLOW_EMPTY_VARIABLE, "").strip().lower() in ("1", "true", "yes", "on")
    if payload in (None, "") and not definition.allow_empty and not is_allowed:
        raise _bad_value(
            definition,
            f"value must not be empty (allowEmpty is false): give it in the values file or in "
            f"{variable_name(definition.name)}, or set {ALLOW_EMPTY_VARIABLE}=true",
        )


def _range_fault(definition: Definition, payload: Any) -> str | None:
    if payload is None or definition.type != "numeric":
        return None
    if definition.minimum is not None and float(payload) < definition.minimum:
        return f"value is less than {definition.minimum}"
    if definition.maximum is not None and float(payload) > definition.maximum:
        return f"value is greater than {definition.maximum}"
    return None


def _bad_value(definition: Definition, fault: str) -> ErrorLoadingRuntimeParameter:
    return ErrorLoadingRuntimeParameter(
        f"Failed to load runtime parameter '{definition.name}'. { {'payload': fault} }"
    )
