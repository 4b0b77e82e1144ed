"""Every line of log is a JSON object."""

from __future__ import annotations

import io
import json
import logging
import math
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from datarobot_drum.drum.observability import json_logs
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.observability.logs import setup_logging
from datarobot_drum.drum.observability.masking import mask_output, stop_masking

logger = logging.getLogger("drum.test")
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """`lines()` are the objects logged so far; the set-up is taken back at the end."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    setup_logging("debug", as_json=True)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    setup_logging()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_line_has_these_fields(lines: Lines) -> None:
    token = request_id.set("r1")
    logger.info("loaded %s\n%s", "it", "\u00e9", extra={"rows": 3})
    request_id.reset(token)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "INFO",
        "logger": "drum.test",
        "message": "loaded it\n\u00e9",
        "request_id": "r1",
        "trace_id": None,
        "span_id": None,
        "exception": None,
        "rows": 3,
    }


class Unprintable:
    """As model code may have them."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.nan, "nan"),
        (math.inf, "inf"),
        ({1, 2}, "{1, 2}"),
        (Unprintable(), "<Unprintable>"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (LOOP, "[[...]]"),
        (None, None),
        (True, True),
        ("\ud800", "\ud800"),
        ({"a": [1]}, {"a": [1]}),
    ],
)
def test_extra_of_any_kind_is_told(value: Any, shown: Any, lines: Lines) -> None:
    logger.info("x", extra={"value": value})
    assert lines()[0]["value"] == shown


def test_extra_cannot_replace_a_field(lines: Lines) -> None:
    logger.info("x", extra={"level": "forged", "request_id": 1})
    (line,) = lines()
    assert (line["level"], line["request_id"]) == ("INFO", None)
    assert (line["extra_level"], line["extra_request_id"]) == ("forged", 1)


def test_exception_and_stack_are_one_field(lines: Lines) -> None:
    try:
        raise ValueError("bad\nnews")
    except ValueError:
        logger.exception("failed", stack_info=True)
    told = lines()[0]["exception"]
    assert "ValueError: bad\nnews" in told
    assert "Stack (most recent call last)" in told


def formatted(**fields: Any) -> dict[str, Any]:
    """The object of a record that other handlers would stumble over."""
    record = logging.makeLogRecord(fields)
    told: dict[str, Any] = json.loads(json_logs.JsonFormatter().format(record))
    return told


def test_arguments_that_do_not_fit_are_told() -> None:
    assert formatted(msg="%d rows", args=("no",))["message"] == "%d rows ('no',)"


def test_traceback_that_cannot_be_made_is_named() -> None:
    told = formatted(msg="x", exc_info=(ValueError, "no exception", "no traceback"))
    assert told["exception"] == "<class 'ValueError'>"


def test_secrets_are_masked_in_all_fields(lines: Lines) -> None:
    mask_output(["s3cret-text"])
    try:
        raise ValueError("s3cret-text")
    except ValueError:
        logger.exception("s3cret-text", extra={"key": "s3cret-text"})
    stop_masking()
    (line,) = lines()
    assert "s3cret" not in json.dumps(line)
    assert line["key"] == "*****"


def test_warnings_are_logged(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("take care", UserWarning, stacklevel=1)
    assert "take care" in lines()[0]["message"]


def test_uncaught_exception_is_logged(lines: Lines) -> None:
    try:
        raise RuntimeError("crash")
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    (line,) = lines()
    assert line["level"] == "CRITICAL"
    assert "RuntimeError: crash" in line["exception"]


def test_uncaught_exception_of_a_thread_is_logged(lines: Lines) -> None:
    def crash() -> None:
        raise RuntimeError("crash")

    for target in (crash, sys.exit):
        thread = threading.Thread(target=target, name="worker-7")
        thread.start()
        thread.join()
    threading.excepthook(threading.ExceptHookArgs((RuntimeError, RuntimeError("late"), None, None)))
    first, second = lines()
    assert first["message"] == "uncaught exception in thread worker-7: RuntimeError('crash')"
    assert "in thread a thread: RuntimeError('late')" in second["message"]


def test_exception_that_cannot_be_raised_is_logged(lines: Lines) -> None:
    for error in (RuntimeError("in __del__"), None):
        sys.unraisablehook(SimpleNamespace(exc_value=error, err_msg=None, object=error))
    first, _ = lines()
    assert "RuntimeError: in __del__" in first["message"]


def test_stream_that_is_closed_is_no_error(lines: Lines) -> None:
    stream = open(2, "w", closefd=False)
    handler = json_logs.JsonHandler(stream)
    stream.close()
    handler.handle(logging.makeLogRecord({"msg": "x"}))
    assert lines() == []


def test_text_form_restores_the_hooks(lines: Lines) -> None:
    setup_logging("debug")
    assert sys.excepthook is not json_logs._uncaught
    assert threading.excepthook is not json_logs._uncaught_in_thread
