"""Providers of telemetry: when they are wanted, what they send and how they end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from datarobot_drum.drum.observability import otel, otel_logs, spans
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.observability.masking import mask_output, stop_masking
from datarobot_drum.drum.observability.record import Record
from datarobot_drum.drum.settings import Settings

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
PARAMETER = "MLOPS_RUNTIME_PARAM_OTEL_SDK_DISABLED"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({**ENDPOINT, PARAMETER: "true"}, False),
        ({**ENDPOINT, PARAMETER: '{"type": "boolean", "payload": true}'}, False),
        ({**ENDPOINT, PARAMETER: '{"type": "numeric", "payload": 1}'}, False),
        ({**ENDPOINT, PARAMETER: '{"type": "string", "payload": "yes"}'}, False),
        ({**ENDPOINT, PARAMETER: '{"type": "string", "payload": "false"}'}, True),
        ({**ENDPOINT, PARAMETER: '{"type": "boolean", "payload": false}'}, True),
    ],
)
def test_opentelemetry_is_on_with_a_collector_unless_it_is_disabled(
    environment: dict[str, str], wanted: bool
) -> None:
    assert otel.is_wanted(Settings.load(environment)) is wanted


class Provider:
    """Takes as long to end as a test says."""

    def __init__(self, seconds: float = 0, error: Exception | None = None) -> None:
        self._seconds = seconds
        self._error = error
        self.ended = threading.Event()

    def shutdown(self) -> None:
        """End."""
        if self._error is not None:
            raise self._error
        time.sleep(self._seconds)
        self.ended.set()


@pytest.fixture
def telemetry() -> Iterator[otel.Telemetry]:
    """Three real providers that send nothing."""
    made = otel.Telemetry(
        TracerProvider(shutdown_on_exit=False),
        LoggerProvider(shutdown_on_exit=False),
        MeterProvider(shutdown_on_exit=False),
        "https",
    )
    yield made
    made.stop()
    spans.turn_on(None, "http")  # type: ignore[arg-type]  # the scheme of other tests


def test_slow_provider_does_not_hold_the_others_up(
    telemetry: otel.Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(otel, "SHUTDOWN_TIMEOUT", 0.2)
    good, slow, broken = Provider(), Provider(1.2), Provider(error=ValueError("bad end"))
    telemetry._providers = {"traces": slow, "logs": good, "metrics": broken}
    started = time.monotonic()
    telemetry.stop()
    assert time.monotonic() - started < 1
    assert good.ended.is_set()
    assert "the collector did not take all traces in time" in caplog.text
    assert "bad end" in caplog.text


def test_everything_is_off_after_the_stop(telemetry: otel.Telemetry) -> None:
    root = logging.getLogger()
    assert spans.are_on()
    assert telemetry._handler in root.handlers
    telemetry.stop()
    assert not spans.are_on()
    assert telemetry._handler not in root.handlers
    telemetry._providers = {}


class Sent:
    """A provider of loggers that keeps what it is given."""

    resource = None

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def get_logger(self, name: str) -> Any:
        """All loggers are one."""
        return SimpleNamespace(emit=self.lines.append)


@pytest.fixture
def sent() -> Sent:
    """Nothing yet."""
    return Sent()


def record(**fields: Any) -> logging.LogRecord:
    """One line of log."""
    return logging.makeLogRecord({"name": "drum", "levelno": 20, "msg": "x", **fields})


@pytest.mark.parametrize(
    ("level", "text"), [(5, "TRACE"), (10, "DEBUG"), (25, "INFO"), (30, "WARN"), (60, "FATAL")]
)
def test_severity_is_opentelemetrys(level: int, text: str, sent: Sent) -> None:
    otel_logs.LogHandler(sent).emit(record(levelno=level))  # type: ignore[arg-type]
    assert (sent.lines[0].severity_text, sent.lines[0].severity_number.name) == (text, text)


def test_line_has_its_place_its_request_and_its_exception_masked(sent: Sent) -> None:
    mask_output(["s3cret-text"])
    token = request_id.set("r1")
    error = ValueError("s3cret-text")
    info = (ValueError, error, None)
    otel_logs.LogHandler(sent).emit(record(msg="s3cret-text", exc_info=info, lineno=7))  # type: ignore[arg-type]
    request_id.reset(token)
    stop_masking()
    line = sent.lines[0]
    assert line.body == "*****"
    assert line.attributes["code.line.number"] == 7
    assert line.attributes["context_data"] == '{"request_id": "r1"}'
    assert line.attributes["exception.type"] == "ValueError"
    assert "s3cret" not in str(line.attributes)


def test_line_that_cannot_be_made_is_left_out(sent: Sent) -> None:
    otel_logs.LogHandler(sent).emit(record(msg="%d", args=("x",)))  # type: ignore[arg-type]
    assert sent.lines == []


def test_lines_of_an_export_are_not_exported(sent: Sent, telemetry: otel.Telemetry) -> None:
    handler = otel_logs.LogHandler(sent)  # type: ignore[arg-type]
    handler.handle(record(name="opentelemetry.sdk"))
    with spans.suppressed():
        handler.handle(record(name="urllib3"))
    assert sent.lines == []
    handler.handle(record(name="urllib3"))
    assert len(sent.lines) == 1


@pytest.mark.parametrize("most", [0, 1000])
def test_durations_keep_their_own_attributes_however_many_sets_are_kept(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel, "MOST_KNOWN", most)
    reader = InMemoryMetricReader()
    meters = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    made = otel.Telemetry(
        TracerProvider(shutdown_on_exit=False),
        LoggerProvider(shutdown_on_exit=False),
        meters,
        "http",
    )
    for status in (200, 503, 200):
        record = Record("id", "POST", "/predict/")
        record.status = status
        made.count(record)
    data: Any = reader.get_metrics_data()
    made.stop()
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    counts = {p.attributes["http.response.status_code"]: p.count for p in points}
    assert counts == {200: 2, 503: 1}
