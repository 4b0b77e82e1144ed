"""The order of layers, seen from outside, on every front.

Record, with the rule of proxies > server span > CORS > rate limit > deadline > room in line > app.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.contract.cases import models
from tests.contract.cases.extensions import BOTH, GUARDED, KEY
from tests.contract.cases.headers import ALLOWED, PAGE, SAFE
from tests.contract.conftest import Serve
from tests.contract.exchanges import PATIENCE, Answer, Request, eventually, plain
from tests.contract.serving import Client, Served, post
from tests.contract.test_metrics import counted
from tests.stand_ins.inference_server import InferenceServer

from datarobot_drum.drum import worker
from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.observability.record import Record

CORS = {"DRUM_CORS_ENABLED": "true", "DRUM_CORS_ORIGINS": PAGE}
ORIGIN = {"Origin": PAGE}
CLIENT = {"X-Forwarded-For": "203.0.113.9"}
DEPTH = "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH"
ROW = b"v\n1\n"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Tracing is on for the whole process, and not turned off by the servers of a test."""
    monkeypatch.setattr(worker, "start_telemetry", lambda *args: None)
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.turn_on(provider.get_tracer(spans.SCOPE))
    yield exporter
    spans.turn_off()


def traced(served: Served, **variables: str) -> Served:
    return served.with_environment(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        DRUM_OTEL_SERVER_SPANS="true",
        **variables,
    )


def spans_of(exported: InMemorySpanExporter, name: str, count: int = 1) -> list[ReadableSpan]:
    """The spans of that name, as soon as there are so many."""

    def found() -> list[ReadableSpan]:
        return [span for span in exported.get_finished_spans() if span.name == name]

    eventually(lambda: len(found()) == count)
    return found()


def recorded(client: Client) -> list[Record]:
    """The records of the client's requests from now on."""
    records: list[Record] = []
    client.server.recorder.add(records.append)
    return records


def is_readable(answer: Answer) -> bool:
    """May a page read it, and is it safe?"""
    expected = {**ALLOWED, **SAFE}
    assert "X-Request-ID" in (answer.header("Access-Control-Expose-Headers") or "")
    return {name: answer.header(name) for name in expected} == expected


def test_refusal_of_the_rate_limit_is_recorded_traced_and_readable(
    own_client: Serve, exported: InMemorySpanExporter
) -> None:
    limits = {"DRUM_RATE_LIMIT_ENABLED": "true", "DRUM_RATE_LIMIT_RPM": "1", **CORS}
    client = own_client(traced(models.GATED, **limits))
    records = recorded(client)
    assert client.get("/info/", CLIENT).status == 200
    answer = client.post("/predict/", ROW, **CLIENT, **ORIGIN)
    assert answer.status == 429
    assert is_readable(answer)
    # it was not let near the line
    assert client.server.gate.figures()["accepted"] == 0
    eventually(lambda: len(records) == 2)
    facts = (records[1].status, records[1].route, records[1].client, records[1].failed)
    assert facts == (429, "/predict/", "203.0.113.9", False)
    (span,) = spans_of(exported, "POST /predict/")
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 429
    assert span.attributes["client.address"] == "203.0.113.9"


def test_preflight_is_answered_before_the_rate_limit(own_client: Serve) -> None:
    limits = {"DRUM_RATE_LIMIT_ENABLED": "true", "DRUM_RATE_LIMIT_RPM": "1", **CORS}
    client = own_client(models.LINEAR.with_environment(**limits))
    records = recorded(client)
    asked = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    for _ in range(3):
        answer = client.send(Request("OPTIONS", "/predict/", plain(asked)))
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (200, PAGE)
    eventually(lambda: [record.status for record in records] == [200] * 3)


def test_probes_and_metrics_are_neither_limited_nor_queued(own_client: Serve) -> None:
    limits = {"DRUM_RATE_LIMIT_ENABLED": "true", "DRUM_RATE_LIMIT_RPM": "1", DEPTH: "0"}
    client = own_client(models.GATED.with_environment(**limits))
    running = client.open(post("/predict/", ROW))
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    for path in ("/livez", "/readyz", "/startupz", "/ping/", "/health/", "/", "/metrics"):
        assert [client.get(path).status for _ in range(3)] == [200] * 3
    client.loaded.go_on.release()
    assert running.answer().status == 200


def test_refusal_of_a_full_line_is_readable(own_client: Serve) -> None:
    client = own_client(models.GATED.with_environment(**{DEPTH: "0"}, **CORS))
    running = client.open(post("/predict/", ROW))
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    answer = client.post("/predict/", ROW, **ORIGIN)
    assert answer.status == 503
    assert is_readable(answer)
    assert "Retry-After" in (answer.header("Access-Control-Expose-Headers") or "")
    client.loaded.go_on.release()
    assert running.answer().status == 200


def test_full_line_is_told_before_an_extension_is_asked(own_client: Serve) -> None:
    served = replace(models.GATED, files=BOTH).with_environment(**{DEPTH: "0"})
    client = own_client(served)
    running = client.open(post("/predict/", ROW, **KEY))
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    records = recorded(client)
    answer = client.post("/predict/", ROW)
    assert (answer.status, answer.header("X-Ext")) == (503, None)
    assert (client.get("/info/").status, client.get("/predict/").status) == (401, 401)
    eventually(lambda: len(records) == 3)
    # each connection has a thread of its own, so that their order is any
    assert ("/predict/", 503) in [(record.route, record.status) for record in records]
    client.loaded.go_on.release()
    assert running.answer().status == 200


def test_answer_at_the_deadline_is_readable(own_client: Serve) -> None:
    timeout = {"DRUM_CLIENT_REQUEST_TIMEOUT": "0.2"}
    client = own_client(models.GATED.with_environment(**timeout, **CORS))
    answer = client.post("/predict/", ROW, **ORIGIN)
    assert answer.status == 504
    assert is_readable(answer)
    client.loaded.go_on.release()


def test_answers_of_the_server_itself_are_readable(own_client: Serve) -> None:
    size = {"DRUM_FASTAPI_MAX_UPLOAD_SIZE": "10"}
    client = own_client(models.LINEAR.with_environment(**size, **CORS))
    for request, status in (
        (Request("GET", "/nope", plain(ORIGIN)), 404),
        (Request("DELETE", "/ping/", plain(ORIGIN)), 405),
        (post("/predict/", ROW * 10, **ORIGIN), 413),
        (replace(post("/predict/", ROW * 10, **ORIGIN), chunked=True), 413),
    ):
        answer = client.send(request)
        assert answer.status == status
        assert is_readable(answer)


def test_failures_of_an_extension_and_of_a_start_are_readable(own_client: Serve) -> None:
    client = own_client(GUARDED.with_environment(**CORS))
    assert is_readable(client.get("/info/", ORIGIN))
    answer = client.get("/extra-failure", {**KEY, **ORIGIN})
    assert answer.status == 500
    assert is_readable(answer)
    failed = replace(models.LINEAR, folder="no_model", error_server=True)
    answer = own_client(failed.with_environment(**CORS)).get("/ping/", ORIGIN)
    assert answer.status == 513
    assert is_readable(answer)


@pytest.fixture
def direct(
    inference_server: InferenceServer, clients_path: str, monkeypatch: pytest.MonkeyPatch
) -> Served:
    """A model behind the stand-in."""
    monkeypatch.syspath_prepend(clients_path)
    for name, value in inference_server.environment.items():
        monkeypatch.setenv(name, value)
    served = Served("text_plain", "textgeneration", gpu_predictor="nim")
    return served.with_environment(**inference_server.environment)


def test_client_that_leaves_a_direct_access_makes_no_error(
    own_client: Serve,
    direct: Served,
    inference_server: InferenceServer,
    exported: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = own_client(traced(direct))
    records = recorded(client)
    exchange = client.open(Request("GET", "/nim/hang"))
    assert inference_server.state.begun.acquire(timeout=PATIENCE)
    exchange.close()
    left_without_error(client, records, caplog)
    for name in ("drum.directAccess", "GET /directAccess/{subpath}"):
        (span,) = spans_of(exported, name)
        assert (span.status.is_unset, span.events) == (True, ())


def test_client_that_leaves_the_line_makes_no_error(
    own_client: Serve, exported: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    client = own_client(traced(models.GATED))
    staying = client.open(post("/predict/", ROW))
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    records = recorded(client)
    leaving = client.open(post("/predict/", ROW))
    eventually(lambda: client.server.gate.figures()["waiting"] == 1)
    leaving.close()
    left_without_error(client, records, caplog)
    client.loaded.go_on.release()
    assert staying.answer().status == 200
    for span in spans_of(exported, "POST /predict/", 2):
        assert (span.status.is_unset, span.events) == (True, ())


def test_client_that_leaves_a_running_hook_makes_no_error(
    own_client: Serve, exported: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    client = own_client(traced(models.GATED))
    records = recorded(client)
    leaving = client.open(post("/predict/", ROW))
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    leaving.close()
    eventually(lambda: client.server.gate.figures()["abandoned"] == 1)
    left_without_error(client, records, caplog)
    client.loaded.go_on.release()
    for name in ("POST /predict/", "drum.invocations"):
        (span,) = spans_of(exported, name)
        assert (span.status.is_unset, span.events) == (True, ())


def left_without_error(
    client: Client, records: list[Record], caplog: pytest.LogCaptureFixture
) -> None:
    """One record of a client that left, 499 in the metrics, no complaint in the log."""
    eventually(lambda: len(records) == 1)
    assert (records[0].status, records[0].failed, records[0].size) == (0, True, 0)
    left = [key for key in counted(client) if key[2] == "499"]
    assert len(left) == 1
    loud = [r for r in caplog.records if r.levelno >= logging.WARNING or r.exc_info]
    assert loud == []
