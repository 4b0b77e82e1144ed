"""Runtime parameters: values that the platform or a values file gives to a model."""

from __future__ import annotations

import os
from typing import Any

from datarobot_drum.runtime_parameters.transport import decode, variable_name

__all__ = ["RuntimeParameters"]


class RuntimeParameters:
    """The parameters of this process, read from the environment at each call."""

    @classmethod
    def has(cls, key: str) -> bool:
        """Was the parameter given? True for a null value as well."""
        return variable_name(key) in os.environ

    @classmethod
    def get(cls, key: str) -> Any:
        """The value of a parameter; ValueError where `has` is false.

        A null value is None. Raises InvalidJsonException or InvalidRuntimeParam
        where the environment holds something else than a parameter.
        """
        variable = variable_name(key)
        if variable not in os.environ:
            raise ValueError(f"Runtime parameter '{key}' does not exist!")
        return decode(variable, os.environ[variable]).value
