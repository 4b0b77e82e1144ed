"""Exceptions that model code raises."""

from __future__ import annotations

import datarobot_drum
from datarobot_drum.drum.exceptions import BaseCustomUserError, CustomHTTPError

DEFAULT = "User's HTTP error in custom model"


def test_custom_error_has_a_message_and_a_status() -> None:
    error = CustomHTTPError("teapot", 418)
    assert (str(error), error.message, error.status_code) == ("teapot", "teapot", 418)


def test_custom_error_without_arguments_is_a_400() -> None:
    for error in (CustomHTTPError(), BaseCustomUserError()):
        assert (error.message, error.status_code) == (DEFAULT, 400)


def test_custom_error_keeps_a_message_of_any_type() -> None:
    assert CustomHTTPError({"a": 1}).message == {"a": 1}


def test_custom_error_is_public() -> None:
    assert datarobot_drum.CustomHTTPError is CustomHTTPError
    assert issubclass(CustomHTTPError, BaseCustomUserError)
