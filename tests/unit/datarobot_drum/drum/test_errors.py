"""The error tree: statuses, exit codes, and the statuses that hooks may choose."""

from __future__ import annotations

from typing import Any

import pytest

from datarobot_drum.drum import errors
from datarobot_drum.drum.errors import DrumError, Overloaded, user_error_status
from datarobot_drum.drum.exceptions import BaseCustomUserError, CustomHTTPError

STATUSES = {
    "InvalidInput": 422,
    "SchemaViolation": 422,
    "MalformedRequest": 400,
    "RefusedRequest": 400,
    "UnsupportedMediaType": 415,
    "NotFound": 404,
    "NotSupported": 404,
    "MethodNotAllowed": 405,
    "PayloadTooLarge": 413,
    "RateLimited": 429,
    "HookError": 500,
    "LoadHookError": 513,
    "InvalidOutput": 500,
    "NotReady": 503,
    "Overloaded": 503,
    "DeadlineExceeded": 504,
    "UpstreamError": 502,
    "UpstreamTimeout": 504,
    "StartupError": 513,
    "UpstreamCrashed": 513,
    "UsageError": 500,
    "OptionConflict": 500,
}
CLASSES = {
    name: item
    for name, item in vars(errors).items()
    if isinstance(item, type) and issubclass(item, DrumError) and item is not DrumError
}


def test_every_error_has_its_status() -> None:
    assert {name: cls.status for name, cls in CLASSES.items()} == STATUSES


def test_exit_codes_are_one_except_for_usage_and_schema() -> None:
    others = {name: cls.exit_code for name, cls in CLASSES.items() if cls.exit_code != 1}
    assert others == {"UsageError": 2, "SchemaViolation": 3}


def test_schema_violation_marks_its_answer() -> None:
    assert errors.SchemaViolation.fields == {"is_schema_validation_error": True}


def test_overloaded_asks_to_come_back() -> None:
    assert Overloaded("busy").retry_after == 5
    assert Overloaded("busy", 10).retry_after == 10
    assert errors.NotReady.retry_after == 5


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (400, 400),
        (418, 418),
        (599, 599),
        ("404", 404),
        (429.0, 429),
        (399, 500),
        (600, 500),
        (200, 500),
        (-1, 500),
        ("teapot", 500),
        (None, 500),
        (float("inf"), 500),
        (float("nan"), 500),
        ([], 500),
    ],
)
def test_hook_chooses_a_status_from_400_to_599(code: Any, status: int) -> None:
    assert user_error_status(CustomHTTPError("x", code)) == status


def test_hook_s_own_class_may_carry_the_status() -> None:
    class Gone(BaseCustomUserError):
        status_code = 410

    assert user_error_status(Gone("gone")) == 410
