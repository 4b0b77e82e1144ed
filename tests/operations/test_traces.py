"""Row 10 of the conformance table: spans, parents and attributes against a collector; its end."""

from __future__ import annotations

import json
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, ServerContext
from tests.operations.raw_http import RawConnection
from tests.stand_ins.otlp_receiver import Collector, Span, collecting

MODEL = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "telemetry"
PARENT = "cd" * 8
PATIENCE = 30.0
#: Server types, and Gunicorn's classes of workers.
KINDS = ("flask", "gthread", "sync", "gevent", "fastapi")
FLUSHED = ("flask", "gevent", "fastapi")
CONSUMER = {"X-DataRobot-Consumer-Id": "me", "X-DataRobot-Consumer-Type": "you"}
CONSUMER_ATTRIBUTES = {"gen_ai.request.consumer_id": "me", "gen_ai.request.consumer_type": "you"}
ASKED = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "h\u00e9"}]
REQUEST_ATTRIBUTES = {
    "gen_ai.request.model": "m",
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "be brief",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": "h\u00e9",
    "gen_ai.prompt": "h\u00e9",
    "gen_ai.input.messages": json.dumps(
        [{"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in ASKED]
    ),
}


def response_attributes(content: str, reason: str) -> dict[str, str]:
    """What a span tells of an answer of the model."""
    message = {"role": "assistant", "parts": [{"type": "text", "content": content}]}
    return {
        "gen_ai.response.model": "tiny",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": content,
        "gen_ai.completion": content,
        "gen_ai.output.messages": json.dumps([{**message, "finish_reason": reason}]),
    }


@dataclass(frozen=True)
class Seen:
    """A span without what differs from run to run; `parent` is a name, or `remote`."""

    name: str
    parent: str
    attributes: dict
    status: str = "UNSET"
    exception: str = ""


@dataclass(frozen=True)
class Case:
    """A request and the spans that it makes."""

    path: str
    spans: tuple[Seen, ...]
    body: str = "a\n1\n"
    is_chat: bool = False
    status: int = 200


def chat(spans: tuple[Seen, ...], **params: object) -> Case:
    """A chat and its spans."""
    body = json.dumps({"model": "m", "messages": ASKED, **params})
    return Case("/chat/completions", spans, body, is_chat=True)


def operation(name: str, attributes: dict | None = None, **more: Any) -> Seen:
    """The span that has the client's as its parent."""
    return Seen(name, "remote", CONSUMER_ATTRIBUTES if attributes is None else attributes, **more)


INVOCATION = (operation("drum.invocations"), Seen("hook.score", "drum.invocations", {}))
FAILED: dict[str, Any] = {"status": "ERROR", "exception": "ValueError"}
CHAT = "drum.chat.completions"
STREAM = f"{CHAT}.stream"
CHUNK = Seen("hook.chunk", STREAM, {})

CASES = {
    "predict": Case("/predict/", INVOCATION),
    "predictions": Case("/predictions/", INVOCATION),
    "invocations": Case("/invocations", INVOCATION),
    "hook fails": Case(
        "/predict/",
        (
            operation("drum.invocations", **FAILED),
            Seen("hook.score", "drum.invocations", {}, **FAILED),
        ),
        body="fail\n1\n",
        status=500,
    ),
    "no data": Case("/predict/", (operation("drum.invocations"),), body="", status=422),
    "wrong target": Case("/transform/", (operation("drum.transform"),), status=422),
    "unstructured": Case(
        "/predictUnstructured/", (operation("drum.predictUnstructured"),), status=422
    ),
    "chat": chat((operation(CHAT, REQUEST_ATTRIBUTES | response_attributes("hi", "stop")),)),
    "stream": chat(
        (
            operation(CHAT, REQUEST_ATTRIBUTES),
            # the first chunk is made before the answer begins
            Seen("hook.chunk", CHAT, {}),
            Seen(STREAM, CHAT, response_attributes("0 1 ", "")),
            CHUNK,
        ),
        stream=True,
    ),
    "stream breaks": chat(
        (
            operation(CHAT, REQUEST_ATTRIBUTES | {"gen_ai.request.model": "broken"}),
            Seen("hook.chunk", CHAT, {}),
            Seen(STREAM, CHAT, response_attributes("0 1 ", ""), **FAILED),
            CHUNK,
        ),
        stream=True,
        model="broken",
    ),
    "direct access": Case(
        "/directAccess/x", (operation("drum.directAccess", status="ERROR"),), status=400
    ),
    "models": Case("/models", (), status=405),
    "unknown": Case("/nowhere", (), status=404),
}


@contextmanager
def traced(
    running_server: ServerContext, collector: Collector, server_type: str, **env: str
) -> Iterator[RunningServer]:
    """A server of that type, or Gunicorn with that class of workers."""
    kind = server_type if server_type in ("flask", "fastapi") else "gunicorn"
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BLRP_SCHEDULE_DELAY": "50",
        "OTEL_SERVICE_NAME": "scoring",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=seven",
        "DRUM_GUNICORN_WORKER_CLASS": server_type if kind == "gunicorn" else "gthread",
        "TARGET_NAME": "answer",
    }
    options = ("--target-type", "textgeneration", "--logging-level", "info")
    with running_server(
        MODEL, *options, env={**variables, **env}, server_type=kind, wait=False
    ) as server:
        yield server


@dataclass(frozen=True)
class Observed:
    """A server and where it sends to."""

    server: RunningServer
    collector: Collector


@pytest.fixture(scope="module")
def observed(running_server: ServerContext) -> Iterator[dict[str, Observed]]:
    """All server types and classes of workers, each with a collector of its own."""
    with ExitStack() as stack:
        found = {}
        for kind in KINDS:
            collector = stack.enter_context(collecting())
            server = stack.enter_context(traced(running_server, collector, kind))
            found[kind] = Observed(server, collector)
        for each in found.values():
            each.server.wait_until_ready()
        yield found


@pytest.fixture(params=KINDS)
def one(request: pytest.FixtureRequest, observed: dict[str, Observed]) -> Observed:
    """Each in turn."""
    return observed[request.param]


def send(one: Observed, case: Case, *, flags: str = "01", trace: str = "") -> str:
    """Send the request of a case as part of a trace; the trace's id."""
    trace = trace or secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-{PARENT}-{flags}", **CONSUMER}
    headers["Content-Type"] = "application/json" if case.is_chat else "text/csv"
    answer = one.server.post(case.path, content=case.body, headers=headers)
    assert answer.status_code == case.status, answer.text
    return trace


def seen(spans: list[Span]) -> list[Seen]:
    """The spans without what differs from run to run."""
    names = {span.span_id: span.name for span in spans} | {PARENT: "remote"}
    found = []
    for span in spans:
        assert span.kind == "INTERNAL"
        kinds = [event["exception.type"] for name, event in span.events if name == "exception"]
        assert len(kinds) == len(span.events) <= 1
        parent = names[span.parent]
        attributes = span.attributes
        found.append(Seen(span.name, parent, attributes, span.status, "".join(kinds)))
    return sorted(found, key=repr)


@pytest.mark.parametrize("name", CASES)
def test_spans_are_those_of_the_table(name: str, one: Observed) -> None:
    case = CASES[name]
    trace = send(one, case)
    # what is sent later is seen later: nothing more can come of the first
    last = send(one, CASES["wrong target"])
    one.collector.of_trace(last)
    found = one.collector.of_trace(trace, len(case.spans)) if case.spans else []
    assert seen(found) == sorted(case.spans, key=repr)


def test_spans_have_one_scope_and_the_operators_resource(one: Observed) -> None:
    span = one.collector.of_trace(send(one, CASES["wrong target"]))[0]
    assert span.scope == "datarobot_drum.drum.server"
    assert span.resource["service.name"] == "scoring"
    assert one.collector.seen_headers["x-tenant"] == "seven"


def test_probes_make_no_spans(one: Observed) -> None:
    before = len(one.collector.spans)
    for path in ("/", "/livez", "/health/", "/info/", "/stats/"):
        assert one.server.get(path).status_code == 200
    one.collector.of_trace(send(one, CASES["wrong target"]))
    assert one.collector.names()[before:] == ["drum.transform"]


def test_client_that_samples_nothing_gets_no_spans(one: Observed) -> None:
    unsampled = send(one, CASES["predict"], flags="00")
    one.collector.of_trace(send(one, CASES["wrong target"]))
    assert [span for span in one.collector.spans if span.trace_id == unsampled] == []


@pytest.mark.parametrize("parent", ["", "00-xyz-1-01", f"00-{'0' * 32}-{PARENT}-01"])
def test_request_without_a_usable_parent_begins_a_trace(parent: str, one: Observed) -> None:
    before = len(one.collector.spans)
    headers = {"traceparent": parent, "b3": f"{'ab' * 16}-{PARENT}-1"}
    one.server.post("/transform/", headers=headers)
    span = one.collector.wait_for(lambda: one.collector.spans[before:])[0]
    assert span.parent == ""
    assert span.trace_id not in ("ab" * 16, "0" * 32)


def test_span_of_a_stream_ends_when_the_client_leaves(one: Observed) -> None:
    trace = secrets.token_hex(16)
    body = json.dumps({"model": "m", "messages": ASKED, "stream": True, "n": 10**9}).encode()
    head = (
        f"POST /chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"traceparent: 00-{trace}-{PARENT}-01\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with RawConnection(one.server.port) as connection:
        connection.send(head.encode() + body)
        assert connection.read_head()[0] == 200
    ended = one.collector.wait_for(
        lambda: [s for s in one.collector.spans if (s.trace_id, s.name) == (trace, STREAM)]
    )
    assert ended[0].attributes["gen_ai.completion"].startswith("0 1 ")
    assert ended[0].status == "UNSET"


def test_log_lines_are_sent_with_the_ids_of_their_span(one: Observed) -> None:
    trace = send(one, CASES["predict"])
    lines = one.collector.wait_for(
        lambda: [line for line in one.collector.logs if line["trace_id"] == trace]
    )
    scoring = next(line for line in lines if line["logger"] == "model")
    assert (scoring["body"], scoring["severity"]) == ("scoring", "WARN")
    hook = next(s for s in one.collector.of_trace(trace, 2) if s.name == "hook.score")
    assert scoring["span_id"] == hook.span_id
    assert scoring["attributes"]["code.function.name"] == "score"
    assert re.search(rf"WARNING model:  scoring .*'trace_id': '{trace}'", one.server.log)


def test_exporters_do_not_log_about_themselves_to_the_collector(one: Observed) -> None:
    one.collector.wait_for(lambda: one.collector.logs)
    loggers = {line["logger"].split(".")[0] for line in one.collector.logs}
    assert loggers & {"opentelemetry", "urllib3", "requests"} == set()


@dataclass(frozen=True)
class Stopped:
    """How a server ended that had one prediction and was told to stop."""

    predicted_in: float
    stopped_in: float
    code: int
    log: str
    collector: Collector


def stop_all(running: dict[str, RunningServer], collectors: dict[str, Collector]) -> dict:
    """Predict once on each, then stop them all at the same time."""
    predicted = {}
    for kind, server in running.items():
        server.wait_until_ready()
        started = time.monotonic()
        assert server.post("/predict/", content="a\n1\n").status_code == 200
        predicted[kind] = time.monotonic() - started
        server.client.close()
    ends: dict[str, float] = {}
    started = time.monotonic()
    for server in running.values():
        server.process.terminate()
    while len(ends) < len(running) and time.monotonic() - started < PATIENCE:
        gone = [kind for kind, server in running.items() if server.process.poll() is not None]
        ends |= {kind: time.monotonic() - started for kind in gone if kind not in ends}
        time.sleep(0.05)
    return {
        kind: Stopped(
            predicted[kind],
            ends.get(kind, PATIENCE),
            server.process.wait(1) if kind in ends else -1,
            server.log,
            collectors[kind],
        )
        for kind, server in running.items()
    }


@pytest.fixture(scope="module")
def without_collector(running_server: ServerContext) -> Iterator[dict[str, Stopped]]:
    """Servers whose collector takes connections and never says a word; one's refuses them."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        silent = Collector(f"http://127.0.0.1:{listener.getsockname()[1]}")
        collectors = {**dict.fromkeys(KINDS, silent), "refused": Collector("http://127.0.0.1:9")}
        running = {
            kind: stack.enter_context(
                traced(running_server, collector, kind if kind in KINDS else "gthread")
            )
            for kind, collector in collectors.items()
        }
        yield stop_all(running, collectors)


@pytest.mark.parametrize("kind", [*KINDS, "refused"])
def test_dead_collector_delays_neither_requests_nor_the_stop(
    kind: str, without_collector: dict[str, Stopped]
) -> None:
    stopped = without_collector[kind]
    # the first prediction imports pandas
    assert stopped.predicted_in < 4
    assert stopped.stopped_in < 8
    assert stopped.code == (130 if kind == "flask" else 0)
    assert "the collector did not take all" in stopped.log


@pytest.fixture(scope="module")
def flushed(running_server: ServerContext) -> Iterator[dict[str, Stopped]]:
    """Servers that send nothing before their end."""
    later = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "DRUM_OTEL_SERVER_SPANS": "true"}
    with ExitStack() as stack:
        collectors = {kind: stack.enter_context(collecting()) for kind in FLUSHED}
        running = {
            kind: stack.enter_context(traced(running_server, collector, kind, **later))
            for kind, collector in collectors.items()
        }
        yield stop_all(running, collectors)


@pytest.mark.parametrize("kind", FLUSHED)
def test_what_waits_is_sent_at_the_stop(kind: str, flushed: dict[str, Stopped]) -> None:
    collector = flushed[kind].collector
    assert sorted(collector.names()) == ["POST /predict/", "drum.invocations", "hook.score"]
    metric = next(m for m in collector.metrics if m.name == "http.server.request.duration")
    assert metric.histogram.aggregation_temporality == 1
    counts = {
        dict_of(point)["http.route"]: point.count
        for point in metric.histogram.data_points
        if dict_of(point)["http.response.status_code"] == 200
    }
    assert counts["/predict/"] == 1


def dict_of(point: Any) -> dict[str, Any]:
    """The attributes of a data point."""
    return {pair.key: pair.value.int_value or pair.value.string_value for pair in point.attributes}


@pytest.mark.parametrize("kind", FLUSHED)
def test_server_span_is_the_parent_where_it_is_asked_for(
    kind: str, flushed: dict[str, Stopped]
) -> None:
    by_name = {span.name: span for span in flushed[kind].collector.spans}
    outer = by_name["POST /predict/"]
    assert by_name["drum.invocations"].parent == outer.span_id
    assert (outer.kind, outer.parent, outer.status) == ("SERVER", "", "UNSET")
    told = {name: outer.attributes[name] for name in ("http.route", "http.response.status_code")}
    assert told == {"http.route": "/predict/", "http.response.status_code": 200}


def test_opentelemetry_can_be_turned_off(running_server: ServerContext) -> None:
    off = {"OTEL_SDK_DISABLED": "true"}
    with collecting() as collector, traced(running_server, collector, "fastapi", **off) as server:
        server.wait_until_ready()
        server.post("/transform/", content="a\n1\n")
        server.stop()
    assert (collector.spans, collector.logs, collector.metrics) == ([], [], [])
