"""The settings of what a server tells about itself: logs, metrics, traces, the status page."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from datarobot_drum.drum.settings.sources import FromParam


class ObservabilitySettings(BaseModel):
    """What an operator can tune about logs, metrics and traces."""

    json_logging: Annotated[bool, FromParam("DRUM_JSON_LOGGING")] = False
    """Write each line of log as one JSON object."""

    access_log: Annotated[bool, FromParam("DRUM_ACCESS_LOG")] = True
    """Write a line to stdout for each answered request."""

    access_log_query: Annotated[bool, FromParam("DRUM_ACCESS_LOG_QUERY")] = True
    """Show query strings in the access log; they can carry data."""

    metrics_enabled: Annotated[bool, FromParam("DRUM_METRICS_ENABLED")] = True
    """Count requests and serve `/metrics` for Prometheus."""

    otlp_endpoint: Annotated[str | None, FromParam(None, env="OTEL_EXPORTER_OTLP_ENDPOINT")] = None
    """Collector that gets traces, metrics and logs; it turns OpenTelemetry on."""

    otel_disabled: Annotated[bool, FromParam("OTEL_SDK_DISABLED")] = False
    """Turn OpenTelemetry off although there is a collector."""

    otel_server_spans: Annotated[bool, FromParam("DRUM_OTEL_SERVER_SPANS")] = False
    """Add one HTTP server span for each request, probes excluded, above the span of the model."""

    enable_ui: Annotated[bool, FromParam("DRUM_ENABLE_UI")] = False
    """Serve the status page at `/ui/`."""

    memory_leak_enabled: Annotated[bool, FromParam("DRUM_MEMORY_LEAK_ENABLED")] = False
    """Log a warning when the memory of a worker grows with the requests that it has served."""

    memory_leak_threshold_mb: Annotated[
        float, Field(gt=0, le=1_000_000), FromParam("DRUM_MEMORY_LEAK_THRESHOLD_MB")
    ] = 50
    """Growth in MiB per 1,000 requests above which the warning is logged."""

    memory_leak_sample_window: Annotated[
        int, Field(ge=20, le=100_000), FromParam("DRUM_MEMORY_LEAK_SAMPLE_WINDOW")
    ] = 100
    """Samples of memory that the growth is fitted to."""
