"""OpenTelemetry in a worker: providers of traces, logs and metrics, and their bounded end.

They are made after the fork, because their threads do not outlive one. Where they send to, what
else they say and how much they keep is told by OpenTelemetry's own variables.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.observability.otel_logs import LogHandler
from datarobot_drum.drum.observability.record import Record

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    from datarobot_drum.drum.settings import Settings

logger = logging.getLogger("drum.otel")

#: Seconds that each provider has at the end; they end side by side, so it is that of all. A step
#: of a worker's clean-up is given up after 5 seconds, and there must be time to say what is lost.
SHUTDOWN_TIMEOUT = 4.5
#: Bounds of the buckets of durations, in seconds (OpenTelemetry's conventions for HTTP).
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
#: Sets of attributes that are kept; a client that invents methods must not fill the memory.
MOST_KNOWN = 1000
DURATION = "http.server.request.duration"


def is_wanted(settings: Settings) -> bool:
    """Is there a collector, and has nobody turned OpenTelemetry off?"""
    return bool(settings.otlp_endpoint) and not settings.otel_disabled


class Telemetry:
    """The three providers of this process."""

    def __init__(
        self, traces: TracerProvider, logs: LoggerProvider, metrics: MeterProvider, scheme: str
    ) -> None:
        self._providers: dict[str, Any] = {"traces": traces, "logs": logs, "metrics": metrics}
        self._known: dict[tuple[str, str, str, int], spans.Attributes] = {}
        self._handler = LogHandler(logs)
        logging.getLogger().addHandler(self._handler)
        self._durations = metrics.get_meter(spans.SCOPE).create_histogram(
            DURATION,
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=BOUNDS,
        )
        spans.turn_on(traces.get_tracer(spans.SCOPE), scheme)

    def count(self, record: Record) -> None:
        """A sink of `Recorder`."""
        self._durations.record(record.seconds, self._attributes_of(record))

    def _attributes_of(self, record: Record) -> spans.Attributes:
        """Made once for each series; the meter copies them."""
        route = record.route if record.operation else ""
        key = record.method, record.protocol, route, record.status
        found = self._known.get(key)
        if found is None:
            found = spans.request_attributes(record)
            if len(self._known) < MOST_KNOWN:
                self._known[key] = found
        return found

    def stop(self) -> None:
        """Send what waits; takes `SHUTDOWN_TIMEOUT` at most, whatever the collector does."""
        spans.turn_off()
        logging.getLogger().removeHandler(self._handler)
        end = time.monotonic() + SHUTDOWN_TIMEOUT
        threads = {
            name: _in_thread(name, provider.shutdown) for name, provider in self._providers.items()
        }
        for thread in threads.values():
            thread.join(max(end - time.monotonic(), 0))
        late = sorted(name for name, thread in threads.items() if thread.is_alive())
        if late:
            logger.warning("the collector did not take all %s in time", ", ".join(late))


def _in_thread(name: str, shutdown: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=_quietly, args=(shutdown,), name=f"end-{name}", daemon=True)
    thread.start()
    return thread


def _quietly(shutdown: Callable[[], Any]) -> None:
    try:
        shutdown()
    except Exception:
        logger.exception("a telemetry provider did not end well")


def start(scheme: str) -> Telemetry:
    """Make the providers, also for user code, which finds them in OpenTelemetry's usual places.

    `scheme` is that of the requests' addresses. The collector is not contacted yet.
    """
    from opentelemetry import metrics, trace
    from opentelemetry._logs import set_logger_provider

    traces, logs, meters = _traces(), _logs(), _metrics()
    trace.set_tracer_provider(traces)
    set_logger_provider(logs)
    metrics.set_meter_provider(meters)
    logger.info("OpenTelemetry is on")
    return Telemetry(traces, logs, meters, scheme)


# The end comes from `Telemetry.stop`; the SDK's own, at the interpreter's exit, has no bound.


def _traces() -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _logs() -> LoggerProvider:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    return provider


def _metrics() -> MeterProvider:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk import metrics as kinds
    from opentelemetry.sdk.metrics.export import (
        AggregationTemporality,
        PeriodicExportingMetricReader,
    )

    summed = (kinds.Counter, kinds.Histogram, kinds.ObservableCounter)
    exporter = OTLPMetricExporter(
        preferred_temporality=dict.fromkeys(summed, AggregationTemporality.DELTA)
    )
    reader = PeriodicExportingMetricReader(exporter)
    return kinds.MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
