"""One form of log lines for every command and server, on stderr: text, or JSON."""

from __future__ import annotations

import logging
import sys

from datarobot_drum.drum.observability import json_logs, spans
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


#: Where the servers themselves log; `error` is only their name for what is no access log.
SERVER_LOGGERS = ("gunicorn.error", "uvicorn", "uvicorn.error", "uvicorn.asgi")
#: Below debug; Uvicorn alone has it.
TRACE = 5


class ContextFilter(logging.Filter):
    """Adds the ids of the request, and of the span that runs, to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `record.context`; every record passes."""
        current = request_id.get()
        context = {"request_id": current} if current else {}
        trace_id, span_id = spans.current_ids()
        if trace_id:
            context |= {"trace_id": trace_id, "span_id": span_id}
        record.context = context
        return True


def setup_logging(
    level: str = "warning", *, as_json: bool = False, server_level: str | None = None
) -> None:
    """Send all logs to stderr at `level`; calling it again replaces the earlier set-up.

    `server_level` is that of the servers' own loggers, whose lines then look as all others.
    """
    root = logging.getLogger()
    for old in [h for h in root.handlers if getattr(h, "is_drum_handler", False)]:
        root.removeHandler(old)
    handler = _handler(as_json)
    handler.is_drum_handler = True  # type: ignore[attr-defined]  # marks ours among others'
    root.addHandler(handler)
    root.setLevel(LOG_LEVELS[level.lower()])
    # it would choose INFO by itself
    logging.getLogger("werkzeug").setLevel(root.level)
    if server_level is not None:
        setup_server_loggers(server_level)


def _handler(as_json: bool) -> logging.Handler:
    if as_json:
        json_logs.uncaught.report()
        return json_logs.JsonHandler(sys.stderr)
    json_logs.uncaught.restore()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    handler.addFilter(ContextFilter())
    return handler


def setup_server_loggers(level: str) -> None:
    """Let Gunicorn and Uvicorn log at `level`, through the handlers of all."""
    logging.addLevelName(TRACE, "TRACE")
    for name in SERVER_LOGGERS:
        server = logging.getLogger(name)
        server.handlers = []
        server.propagate = True
        server.setLevel(TRACE if level == "trace" else LOG_LEVELS[level])
