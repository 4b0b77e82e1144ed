"""The one form of a log line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.observability.logs import LOG_LEVELS, SERVER_LOGGERS, setup_logging

logger = logging.getLogger("drum.test")


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_line_has_time_level_logger_message_and_context(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup_logging("info")
    token = request_id.set("r1")
    logger.info("loaded %s", "it")
    request_id.reset(token)
    logger.warning("alone")
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"[\d-]+ [\d:,]+ INFO drum.test:  loaded it \{'request_id': 'r1'\}", first)
    assert second.endswith("WARNING drum.test:  alone {}")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("all", "debug info warning error"),
        ("DEBUG", "debug info warning error"),
        ("info", "info warning error"),
        ("warn", "warning error"),
        ("error", "error"),
        ("fatal", ""),
    ],
)
def test_level_chooses_the_lines(
    level: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_logging(level)
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)(name)
    assert [line.split()[-2] for line in capsys.readouterr().err.splitlines()] == shown.split()


def test_default_level_is_warning(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging()
    logger.info("hidden")
    assert capsys.readouterr().err == ""


def test_setting_up_again_replaces_only_its_own_handler(root_logger: logging.Logger) -> None:
    stranger = logging.NullHandler()
    root_logger.addHandler(stranger)
    for level in ("info", "error"):
        setup_logging(level)
    ours = [handler for handler in root_logger.handlers if hasattr(handler, "is_drum_handler")]
    assert len(ours) == 1
    assert stranger in root_logger.handlers
    assert root_logger.level == logging.ERROR


def test_levels_are_those_of_the_option() -> None:
    assert set(LOG_LEVELS) == {
        "all",
        "debug",
        "info",
        "warn",
        "warning",
        "error",
        "critical",
        "fatal",
    }


@pytest.fixture
def server_loggers() -> Iterator[None]:
    """Restored at the end."""
    loggers = [logging.getLogger(name) for name in SERVER_LOGGERS]
    before = [(each.level, each.propagate, each.handlers) for each in loggers]
    yield
    for each, (level, propagate, handlers) in zip(loggers, before, strict=True):
        each.setLevel(level)
        each.propagate, each.handlers = propagate, handlers


@pytest.mark.parametrize(
    ("level", "shown"), [("trace", 5), ("debug", 10), ("warning", 30), ("critical", 50)]
)
def test_servers_log_at_a_level_of_their_own(
    level: str, shown: int, server_loggers: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("uvicorn.error").propagate = False
    setup_logging("error", server_level=level)
    for name in SERVER_LOGGERS:
        logging.getLogger(name).log(shown - 1, "hidden")
        logging.getLogger(name).log(shown, "told")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[3] for line in lines] == [f"{name}:" for name in SERVER_LOGGERS]
    assert logging.getLogger().level == logging.ERROR


def test_development_server_does_not_choose_its_level() -> None:
    setup_logging("error")
    assert logging.getLogger("werkzeug").level == logging.ERROR
