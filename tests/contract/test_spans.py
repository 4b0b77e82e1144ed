"""Spans of direct access on every front, and what goes on to the inference server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.contract.conftest import Serve
from tests.contract.exchanges import Request, eventually, plain
from tests.contract.serving import Client, Served
from tests.stand_ins.inference_server import InferenceServer

from datarobot_drum.drum.observability import spans

NIM = Served("text_plain", "textgeneration", gpu_predictor="nim")
TRACE, PARENT = "ab" * 16, "cd" * 8
HEADERS = {
    "traceparent": f"00-{TRACE}-{PARENT}-01",
    "tracestate": "vendor=1",
    "X-DataRobot-Consumer-Id": "me",
}


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """Tracing is on; what was exported."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.turn_on(provider.get_tracer(spans.SCOPE))
    yield exporter
    spans.turn_off()


@pytest.fixture
def start(
    own_client: Serve, clients_path: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[InferenceServer], Client]:
    """A client of a server in front of that inference server."""
    monkeypatch.syspath_prepend(clients_path)

    def make(inference_server: InferenceServer) -> Client:
        for name, value in inference_server.environment.items():
            monkeypatch.setenv(name, value)
        return own_client(NIM.with_environment(**inference_server.environment))

    return make


CHAT = b'{"messages": [{"role": "user", "content": "hello"}]}'


def test_chat_that_is_sent_on_has_our_span_as_its_parent(
    start: Callable[[InferenceServer], Client],
    inference_server: InferenceServer,
    exported: InMemorySpanExporter,
) -> None:
    answer = start(inference_server).post(
        "/v1/chat/completions", CHAT, "application/json", **HEADERS
    )
    assert answer.status == 200
    (span,) = exported.get_finished_spans()
    assert span.context is not None
    parents = inference_server.last.header("traceparent")
    assert parents == [f"00-{TRACE}-{span.context.span_id:016x}-01"]


def the_span(exported: InMemorySpanExporter) -> ReadableSpan:
    """The one span, as soon as it has ended."""
    eventually(lambda: len(exported.get_finished_spans()) > 0)
    (span,) = exported.get_finished_spans()
    assert span.name == "drum.directAccess"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.attributes == {"gen_ai.request.consumer_id": "me"}
    return span


def test_request_that_is_sent_on_has_our_span_as_its_parent(
    start: Callable[[InferenceServer], Client],
    inference_server: InferenceServer,
    exported: InMemorySpanExporter,
) -> None:
    answer = start(inference_server).send(Request("GET", "/nim/echo", plain(HEADERS)))
    assert answer.status == 200
    span = the_span(exported)
    assert span.context is not None
    assert span.status.is_unset
    sent = inference_server.last
    assert sent.header("traceparent") == [f"00-{TRACE}-{span.context.span_id:016x}-01"]
    assert sent.header("tracestate") == ["vendor=1"]


def test_server_that_cannot_be_reached_is_an_exception(
    start: Callable[[InferenceServer], Client],
    inference_server: InferenceServer,
    exported: InMemorySpanExporter,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inference_server, "port", free_port)
    answer = start(inference_server).send(Request("GET", "/nim/echo", plain(HEADERS)))
    assert answer.status == 502
    (event,) = the_span(exported).events
    assert event.attributes is not None
    assert event.attributes["exception.type"] == "httpx.ConnectError"
