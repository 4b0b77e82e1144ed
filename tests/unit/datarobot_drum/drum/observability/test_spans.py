"""Spans while tracing is off, and what real servers do not show."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.observability.masking import mask_output, stop_masking
from datarobot_drum.drum.observability.record import Record, current_record


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """Tracing is on; what was exported."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.turn_on(provider.get_tracer(spans.SCOPE))
    yield exporter
    spans.turn_off()


def only(exported: InMemorySpanExporter) -> ReadableSpan:
    """The one span that has ended."""
    (span,) = exported.get_finished_spans()
    return span


OFF = """
import sys
from datarobot_drum.drum.observability import otel, sinks, spans
with spans.Operation("a", {}) as operation:
    spans.set_attributes(lambda: 1 / 0)
    spans.failed(ValueError())
    spans.refused("no")
    assert spans.current_ids() == ("", "")
operation.keep().end()
with spans.suppressed():
    assert list(spans.streamed("a", iter([b"x"]))) == [b"x"]
assert spans.propagated([(b"a", b"b")]) == [(b"a", b"b")]
span = spans.ServerSpan({})
span.leave()
span.end()
assert not spans.are_on()
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


def test_nothing_is_imported_while_tracing_is_off() -> None:
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_operation_tells_its_ids_to_the_record_and_the_log(exported: InMemorySpanExporter) -> None:
    record = Record("id", "GET", "/")
    token = current_record.set(record)
    with spans.Operation("a", {}):
        ids = spans.current_ids()
    current_record.reset(token)
    assert ids == (f"{record.trace_id:032x}", f"{record.span_id:016x}")
    assert spans.current_ids() == ("", "")


def test_exception_that_leaves_is_told_once(exported: InMemorySpanExporter) -> None:
    with pytest.raises(KeyError), spans.Operation("a", {}):
        raise KeyError("x")
    span = only(exported)
    assert span.status.description == "KeyError: 'x'"
    (event,) = span.events
    assert event.attributes is not None
    assert event.attributes["exception.type"] == "KeyError"


class Wordless(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_exception_without_a_text_is_told_by_its_name(exported: InMemorySpanExporter) -> None:
    with spans.Operation("a", {}):
        spans.failed(Wordless())
    event = only(exported).events[0]
    assert event.attributes is not None
    assert event.attributes["exception.message"] == "Wordless"
    assert str(event.attributes["exception.type"]).endswith(".Wordless")


def test_secrets_in_exceptions_are_masked(exported: InMemorySpanExporter) -> None:
    mask_output(["s3cret-text"])
    with spans.Operation("a", {}):
        spans.failed(ValueError("s3cret-text"))
    stop_masking()
    assert "s3cret" not in only(exported).to_json()


def test_cancelled_operation_is_no_failure(exported: InMemorySpanExporter) -> None:
    with pytest.raises(GeneratorExit), spans.Operation("a", {}):
        raise GeneratorExit
    assert only(exported).status.is_unset


def test_span_that_is_kept_ends_later(exported: InMemorySpanExporter) -> None:
    with spans.Operation("a", {}) as operation:
        operation.keep()
    assert exported.get_finished_spans() == ()
    operation.end()
    assert only(exported).name == "a"


def test_span_that_runs_already_is_the_parent(exported: InMemorySpanExporter) -> None:
    remote = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
    with spans.Operation("outer", {}), spans.Operation("inner", remote):
        pass
    inner, outer = exported.get_finished_spans()
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id


def test_stream_that_is_closed_early_ends_its_span_once(exported: InMemorySpanExporter) -> None:
    stream: Any = spans.streamed("s", iter([b"a", b"b"]))
    assert iter(stream) is stream
    assert next(stream) == b"a"
    stream.close()
    stream.close()
    assert only(exported).name == "s"


def test_generator_behind_a_stream_is_closed_inside_its_span(
    exported: InMemorySpanExporter,
) -> None:
    seen = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"a"
        finally:
            seen.append(spans.current_ids()[1])

    stream: Any = spans.streamed("s", pieces())
    next(stream)
    stream.close()
    span = only(exported)
    assert span.context is not None
    assert seen == [trace.format_span_id(span.context.span_id)]


def test_headers_sent_on_name_the_running_span(exported: InMemorySpanExporter) -> None:
    sent = [(b"traceparent", b"client"), (b"tracestate", b"a=b"), (b"accept", b"*/*")]
    assert spans.propagated(sent) == sent
    named = {"tracestate": "a=b"}
    spans.propagate(named)
    assert named == {"tracestate": "a=b"}
    with spans.Operation("a", {}):
        span_id = spans.current_ids()[1]
        headers = dict(spans.propagated(sent))
        spans.propagate(named)
    assert headers[b"accept"] == b"*/*"
    assert headers[b"traceparent"].split(b"-")[2].decode() == span_id
    assert b"tracestate" not in headers
    assert named == {"traceparent": headers[b"traceparent"].decode()}


def test_own_traffic_makes_no_spans(exported: InMemorySpanExporter) -> None:
    with spans.suppressed():
        inside = context.get_value("suppress_instrumentation")
    assert (inside, context.get_value("suppress_instrumentation")) == (True, None)


@pytest.mark.parametrize(("status", "name"), [(200, "UNSET"), (499, "UNSET"), (500, "ERROR")])
def test_server_span_tells_of_the_request(
    status: int, name: str, exported: InMemorySpanExporter
) -> None:
    record = Record("id", "GET", "/a?secret", client="10.0.0.1", agent="curl")
    token = current_record.set(record)
    span = spans.ServerSpan({})
    record.status, record.route, record.operation = status, "/a", "a"
    span.leave()
    span.end()
    current_record.reset(token)
    made = only(exported)
    assert (made.name, made.kind, made.status.status_code.name) == (
        "GET /a",
        trace.SpanKind.SERVER,
        name,
    )
    assert made.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": status,
        "http.route": "/a",
        "network.protocol.version": "1.1",
        "url.scheme": "http",
        "url.path": "/a",
        "client.address": "10.0.0.1",
        "user_agent.original": "curl",
    }


def test_server_span_shows_no_invented_method_and_no_secret(
    exported: InMemorySpanExporter,
) -> None:
    mask_output(["open-sesame"])
    token = current_record.set(Record("id", "BREW", "/open-sesame", agent="open-sesame"))
    span = spans.ServerSpan({})
    span.leave()
    span.end()
    current_record.reset(token)
    stop_masking()
    made = only(exported)
    assert made.name == "HTTP unmatched"
    assert made.attributes is not None
    assert (made.attributes["url.path"], made.attributes["user_agent.original"]) == (
        "/*****",
        "*****",
    )


def test_unknown_methods_and_paths_make_no_series() -> None:
    told = spans.request_attributes(Record("id", "BREW", "/x", protocol="TEA/1.1"))
    assert "network.protocol.version" not in told
    assert told["http.request.method"] == "_OTHER"
    assert "http.route" not in told
    assert "http.response.status_code" not in told
