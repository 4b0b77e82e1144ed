"""What can be wrong with a runtime parameter, its definition or a values file."""

from __future__ import annotations


class RuntimeParameterException(Exception):
    """Any fault of a runtime parameter."""


class InvalidJsonException(RuntimeParameterException):
    """The variable starts like JSON and is none."""


class InvalidRuntimeParam(RuntimeParameterException):
    """The variable holds JSON that is not a parameter."""


class InvalidInputFilePath(RuntimeParameterException):
    """A file that runtime parameters need is not there."""


class InvalidEmptyYamlContent(RuntimeParameterException):
    """A YAML file holds no values, or no definitions."""


class InvalidYamlContent(RuntimeParameterException):
    """A values file is not YAML, or not a mapping of names to values."""


class ErrorLoadingRuntimeParameter(RuntimeParameterException):
    """A definition is wrong, or a value does not fit its definition."""
