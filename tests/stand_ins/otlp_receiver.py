"""A collector of OpenTelemetry: takes what is posted to it over OTLP/HTTP and decodes it."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from tests.stand_ins.http_service import listening

PATIENCE = 30.0


@dataclass(frozen=True)
class Span:
    """One span as it was sent."""

    name: str
    kind: str
    scope: str
    trace_id: str
    span_id: str
    parent: str
    attributes: dict[str, Any]
    status: str
    events: tuple[tuple[str, dict[str, Any]], ...]
    resource: dict[str, Any]
    seconds: float


@dataclass
class Collector:
    """What has arrived so far; `seen_headers` are those of the last request of any signal."""

    address: str = ""
    spans: list[Span] = field(default_factory=list)
    logs: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    seen_headers: dict[str, str] = field(default_factory=dict)

    def wait_for(self, found: Callable[[], Any]) -> Any:
        """What `found` returns as soon as that is true."""
        end = time.monotonic() + PATIENCE
        while not (value := found()):
            assert time.monotonic() < end, f"not received; there are {self.names()}"
            time.sleep(0.02)
        return value

    def names(self) -> list[str]:
        """The names of all spans, in the order of their ends."""
        return [span.name for span in self.spans]

    def of_trace(self, trace_id: str, count: int = 1) -> list[Span]:
        """The spans of a trace, as soon as there are `count`."""

        def found() -> list[Span]:
            spans = [span for span in self.spans if span.trace_id == trace_id]
            return spans if len(spans) >= count else []

        spans: list[Span] = self.wait_for(found)
        return spans

    def take(self, path: str, body: bytes) -> None:
        """Decode one request."""
        if path == "/v1/traces":
            self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/logs":
            self.logs += _logs(ExportLogsServiceRequest.FromString(body))
        else:
            assert path == "/v1/metrics", path
            self.metrics += _metrics(ExportMetricsServiceRequest.FromString(body))


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a port of its own."""
    collector = Collector()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            with lock:
                collector.seen_headers = dict(self.headers.items())
                collector.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Be quiet."""

    with listening(Handler) as address:
        collector.address = address
        yield collector


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for group in request.resource_spans:
        for scoped in group.scope_spans:
            for span in scoped.spans:
                yield _span(span, scoped.scope.name, _values(group.resource.attributes))


def _span(span: SpanMessage, scope: str, resource: dict[str, Any]) -> Span:
    return Span(
        name=span.name,
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        scope=scope,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        events=tuple((event.name, _values(event.attributes)) for event in span.events),
        resource=resource,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
    )


def _logs(request: ExportLogsServiceRequest) -> Iterator[dict[str, Any]]:
    for group in request.resource_logs:
        for scoped in group.scope_logs:
            for record in scoped.log_records:
                yield {
                    "logger": scoped.scope.name,
                    "body": record.body.string_value,
                    "severity": record.severity_text,
                    "trace_id": record.trace_id.hex(),
                    "span_id": record.span_id.hex(),
                    "attributes": _values(record.attributes),
                }


def _metrics(request: ExportMetricsServiceRequest) -> Iterator[Any]:
    for group in request.resource_metrics:
        for scoped in group.scope_metrics:
            yield from scoped.metrics


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
