"""Exceptions that model code may raise to choose the status of an answer, or catch by name."""

from __future__ import annotations

from typing import Any

from datarobot_drum.exceptions import (
    DrumCommonException,
    DrumSchemaValidationException,
    DrumSerializationError,
    DrumTransformException,
)

__all__ = [
    "BaseCustomUserError",
    "CustomHTTPError",
    "DrumCommonException",
    "DrumSchemaValidationException",
    "DrumSerializationError",
    "DrumTransformException",
]


class BaseCustomUserError(Exception):
    """Raised by a hook: the client gets `status_code` and the message, nothing is added.

    A subclass may set `status_code` as a class attribute.
    """

    status_code: Any = 400

    def __init__(self, message: Any = "User's HTTP error in custom model") -> None:
        super().__init__(message)
        self.message = message


class CustomHTTPError(BaseCustomUserError):
    """A hook's error with a status of its own, from 400 to 599."""

    def __init__(
        self, message: Any = "User's HTTP error in custom model", status_code: Any = 400
    ) -> None:
        super().__init__(message)
        self.status_code = status_code


class UnrecoverableError(Exception):
    """Raised in a thread of model code: the process cannot go on and ends with exit code 1."""
