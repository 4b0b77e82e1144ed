"""Logs as one JSON object a line, whatever the source: our code, libraries, crashes, warnings."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.observability.masking import masked

logger = logging.getLogger("drum")

#: What every record has; all else was added by whoever logged it.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "color_message",  # Uvicorn's, the message once more
    "context",
    "message",
    "taskName",
}


def iso_time(seconds: float) -> str:
    """A time in UTC, to the millisecond: `2026-01-05T10:00:00.123Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def json_line(fields: Mapping[str, Any]) -> str:
    """An object as one line of ASCII; values that JSON does not know become texts."""
    try:
        text = json.dumps(fields, default=_text, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        # not-a-number, odd keys, loops
        text = json.dumps({name: _plain(value) for name, value in fields.items()})
    return masked(text) + "\n"


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, bool, int)) else _text(value)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        # the objects of model code may do anything
        return f"<{type(value).__name__}>"


class JsonFormatter(logging.Formatter):
    """Makes the JSON object of a record; it never fails, or the line would be lost."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, without a line end."""
        trace_id, span_id = spans.current_ids()
        fields = {
            "timestamp": iso_time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            "request_id": request_id.get() or None,
            "trace_id": trace_id or None,
            "span_id": span_id or None,
            "exception": self._exception(record),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                fields[f"extra_{name}" if name in fields else name] = value
        return json_line(fields).rstrip("\n")

    def _exception(self, record: logging.LogRecord) -> str | None:
        parts = [record.exc_text or "", record.stack_info or ""]
        if record.exc_info and not record.exc_text:
            try:
                parts[0] = self.formatException(record.exc_info)
            except Exception:
                parts[0] = repr(record.exc_info[0])
        return "\n".join(filter(None, parts)) or None


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        # arguments that do not fit: logging would print a traceback of its own
        return f"{_text(record.msg)} {_text(record.args)}"


class JsonHandler(logging.StreamHandler[TextIO]):
    """Writes JSON lines; what cannot be written is dropped, without a word in another form."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(JsonFormatter())

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing: stderr, where the word would go, is what failed."""


class Uncaught:
    """Puts exceptions that nobody caught, and warnings, into the log instead of on stderr."""

    def __init__(self) -> None:
        self._before: tuple[Any, ...] | None = None

    def report(self) -> None:
        """From now on; hooks that others put on top of ours later stay."""
        if self._before is not None:
            return
        self._before = sys.excepthook, threading.excepthook, sys.unraisablehook
        sys.excepthook = _uncaught
        threading.excepthook = _uncaught_in_thread
        sys.unraisablehook = _unraisable
        logging.captureWarnings(True)

    def restore(self) -> None:
        """As it was before."""
        if self._before is not None:
            sys.excepthook, threading.excepthook, sys.unraisablehook = self._before
            self._before = None
            logging.captureWarnings(False)


uncaught = Uncaught()


def _uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    logger.critical("uncaught exception: %r", error, exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = args.thread.name if args.thread is not None else "a thread"
    info = (args.exc_type, args.exc_value, args.exc_traceback)
    logger.critical("uncaught exception in thread %s: %r", name, args.exc_value, exc_info=info)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    told = args.err_msg or "exception ignored in"
    trace = "".join(traceback.format_exception(args.exc_value)) if args.exc_value else ""
    logger.error("%s %s\n%s", told, type(args.object).__name__, trace)
