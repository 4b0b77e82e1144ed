"""How a runtime parameter travels in an environment variable: `{"type": ..., "payload": ...}`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from datarobot_drum.runtime_parameters.exceptions import InvalidJsonException, InvalidRuntimeParam

VARIABLE_PREFIX = "MLOPS_RUNTIME_PARAM_"

#: Text that starts so is meant as JSON; any other text is a bare value.
_JSON_STARTS = ("{", "[", '"')


@dataclass(frozen=True)
class Parameter:
    """A decoded parameter; `type` is None where the variable held a bare value."""

    type: str | None
    value: Any


def variable_name(key: str) -> str:
    """The environment variable that carries the parameter `key`."""
    return VARIABLE_PREFIX + key


def encode(type_name: str, payload: Any) -> str:
    """The text of a variable that `decode` reads back."""
    # A values file can tag a value as a date or as bytes, which JSON does not have.
    return json.dumps({"type": type_name, "payload": payload}, default=str)


def decode(variable: str, text: str) -> Parameter:
    """Read the text of `variable`, as a parameter or as a bare value.

    Errors name the variable and never repeat the text, which may be a credential.
    """
    if not text.lstrip().startswith(_JSON_STARTS):
        return Parameter(None, text)
    content = _parse_json(variable, text)
    fault = _shape_fault(content) or payload_fault(content["type"], content["payload"])
    if fault is not None:
        raise InvalidRuntimeParam(f"Invalid runtime parameter! {variable}: {fault}")
    return Parameter(content["type"], content["payload"])


def payload_fault(type_name: str, payload: Any) -> str | None:
    """What keeps `payload` from being of that type, or None; null is of every type."""
    if payload is None:
        return None
    is_right, wanted = _PAYLOADS[type_name]
    return None if is_right(payload) else f"value must be {wanted} (type {type_name})"


def type_fault(type_name: Any) -> str | None:
    """What keeps `type_name` from being a type of parameters, or None."""
    if isinstance(type_name, str) and type_name in _PAYLOADS:
        return None
    return f"value must be one of {', '.join(_PAYLOADS)}"


def _parse_json(variable: str, text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        message = f"Invalid runtime parameter json payload. {variable}: {reason}"
        # The cause would repeat the text.
        raise InvalidJsonException(message) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _shape_fault(content: Any) -> str | None:
    if not isinstance(content, dict):
        return 'use {"type": ..., "payload": ...}, or a bare value that does not look like JSON'
    if set(content) != {"type", "payload"}:
        return f"keys must be exactly 'type' and 'payload', not {', '.join(sorted(content))}"
    fault = type_fault(content["type"])
    return fault and f"type: {fault}"


def _is_text(payload: Any) -> bool:
    return isinstance(payload, str) and payload != ""


def _is_boolean(payload: Any) -> bool:
    return isinstance(payload, bool)


def _is_number(payload: Any) -> bool:
    if isinstance(payload, bool) or not isinstance(payload, (int, float, str)):
        return False
    try:
        return math.isfinite(float(payload))
    except (ValueError, OverflowError):
        return False


def _is_credential(payload: Any) -> bool:
    return isinstance(payload, dict) and isinstance(payload.get("credentialType"), str)


_PAYLOADS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (_is_text, "text that is not empty"),
    "boolean": (_is_boolean, "true or false"),
    "numeric": (_is_number, "a number"),
    "credential": (_is_credential, "an object with a text 'credentialType'"),
    "deployment": (_is_text, "text that is not empty"),
}
