"""What is told of every answered request, and to whom, in one worker."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from datarobot_drum.drum.lifecycle import CleanupOrder, WorkerLifecycle
from datarobot_drum.drum.observability.access_log import AccessLog, cut, escaped
from datarobot_drum.drum.observability.record import Record, Recorder

if TYPE_CHECKING:
    from datarobot_drum.drum.settings import Settings

logger = logging.getLogger("drum.server")

#: From here on a status tells of an error.
CLIENT_ERROR = 400
SHOWN_TARGET = 2048
CUT_OFF = " (the client left, or the answer was cut off)"


def log_errors(recorder: Recorder, settings: Settings) -> None:
    """Log one INFO line for each request that ends with an error, wherever it was answered.

    Those whose client left, and answers that were cut off, are told as well.
    """
    with_query = settings.access_log_query

    def log_error(record: Record) -> None:
        is_well = record.status < CLIENT_ERROR and not record.failed
        if is_well or not logger.isEnabledFor(logging.INFO):
            return
        target = record.target if with_query else record.target.partition("?")[0]
        logger.info(
            "API [%s %s] request time: %.3f sec, request_id: %s%s",
            escaped(cut(record.method, SHOWN_TARGET)),
            escaped(cut(target, SHOWN_TARGET)),
            record.seconds,
            record.request_id,
            CUT_OFF if record.failed else "",
        )

    recorder.add(log_error)


def start_telemetry(recorder: Recorder, settings: Settings, lifecycle: WorkerLifecycle) -> None:
    """Begin the access log and OpenTelemetry, each if it is on; both have threads of this process.

    They end with the worker, after the model has.
    """
    from datarobot_drum.drum.observability import otel

    if settings.access_log:
        log = AccessLog(as_json=settings.json_logging, with_query=settings.access_log_query)
        recorder.add(log)
        lifecycle.defer_cleanup(log.stop, order=CleanupOrder.TELEMETRY, desc="access log")
    if otel.is_wanted(settings):
        telemetry = otel.start("https" if settings.ssl_certfile else "http")
        recorder.add(telemetry.count)
        lifecycle.defer_cleanup(telemetry.stop, order=CleanupOrder.TELEMETRY, desc="telemetry")
