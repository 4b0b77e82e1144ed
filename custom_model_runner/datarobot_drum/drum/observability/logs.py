"""One log line form for every command and server, on stderr."""

from __future__ import annotations

import logging
import sys

from datarobot_drum.drum.observability.context import request_id

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s:  %(message)s %(context)s"

#: `--logging-level` values; `all` shows everything, `warn` and `fatal` are old spellings.
LOG_LEVELS = {
    "all": logging.NOTSET + 1,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}


class ContextFilter(logging.Filter):
    """Adds the request's id to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `record.context`; every record passes."""
        current = request_id.get()
        record.context = {"request_id": current} if current else {}
        return True


def setup_logging(level: str = "warning") -> None:
    """Send all logs to stderr at `level`; calling it again replaces the earlier set-up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    handler.addFilter(ContextFilter())
    root = logging.getLogger()
    for old in [h for h in root.handlers if getattr(h, "is_drum_handler", False)]:
        root.removeHandler(old)
    handler.is_drum_handler = True  # type: ignore[attr-defined]  # marks ours among others'
    root.addHandler(handler)
    root.setLevel(LOG_LEVELS[level.lower()])
