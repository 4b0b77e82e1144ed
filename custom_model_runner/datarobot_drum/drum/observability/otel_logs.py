"""Log lines on their way to the collector."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.observability.masking import masked

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider

#: Attributes that say where a line was written.
CODE = {
    "pathname": "code.file.path",
    "funcName": "code.function.name",
    "lineno": "code.line.number",
}
#: OpenTelemetry's numbers of severity, by the least level of Python's.
SEVERITIES = (
    (logging.CRITICAL, "FATAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARN"),
    (logging.INFO, "INFO"),
    (logging.DEBUG, "DEBUG"),
    (logging.NOTSET, "TRACE"),
)
NANOSECONDS = 1_000_000_000


class LogHandler(logging.Handler):
    """Sends log lines to the collector, with secrets masked as they are on stderr.

    The SDK's own handler is deprecated, and sends tracebacks as they are.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__(logging.DEBUG)
        self._provider = provider
        self.addFilter(_is_not_of_an_export)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one line to the batch; never waits for the collector."""
        try:
            line = _log_record(record, self._provider.resource)
            self._provider.get_logger(record.name).emit(line)
        except Exception:
            # a line that cannot be sent is still on stderr
            return


def _is_not_of_an_export(record: logging.LogRecord) -> bool:
    """Lines of sending lines would feed themselves: the exporters', and the HTTP client's."""
    from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value

    if record.name.startswith("opentelemetry."):
        return False
    return not get_value(_SUPPRESS_INSTRUMENTATION_KEY)


def _log_record(record: logging.LogRecord, resource: Any) -> Any:
    from opentelemetry import trace
    from opentelemetry._logs import LogRecord, SeverityNumber

    severity = next(name for level, name in SEVERITIES if record.levelno >= level)
    fields: dict[str, Any] = {
        "timestamp": int(record.created * NANOSECONDS),
        "severity_text": severity,
        "severity_number": SeverityNumber[severity],
        "body": masked(record.getMessage()),
        "attributes": _attributes(record),
    }
    try:
        # the SDK's releases before 1.40 have a class of their own
        from opentelemetry.sdk._logs import LogRecord as SdkLogRecord  # type: ignore[attr-defined]
    except ImportError:
        return LogRecord(**fields)
    span = trace.get_current_span().get_span_context()
    return SdkLogRecord(
        **fields,
        observed_timestamp=fields["timestamp"],
        resource=resource,
        trace_id=span.trace_id,
        span_id=span.span_id,
        trace_flags=span.trace_flags,
    )


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    found = {name: getattr(record, field) for field, name in CODE.items()}
    current = request_id.get()
    found["context_data"] = json.dumps({"request_id": current} if current else {})
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, _ = record.exc_info
        found["exception.type"] = kind.__name__
        found["exception.message"] = masked(str(error))
        shown = record.exc_text or "".join(traceback.format_exception(error))
        found["exception.stacktrace"] = masked(shown)
    return found
