"""How a request is refused, and how long a client may take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from datarobot_drum.drum.errors import DrumError, Overloaded, RefusedRequest
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.observability.logs import ContextFilter
from datarobot_drum.drum.observability.record import Record, Recorder, current_record
from datarobot_drum.drum.root_predictors.edge import BodyClock, Edge, ReaderClock, too_slow


@pytest.fixture(autouse=True)
def no_record_stays() -> Iterator[None]:
    """A refused request is the one of the running context, which is that of all tests here."""
    tokens = current_record.set(None), request_id.set("")
    yield
    current_record.reset(tokens[0])
    request_id.reset(tokens[1])


def edge_with(records: list[Record] | None = None, **limits: float) -> Edge:
    """An edge whose records are kept in a list."""
    recorder = Recorder()
    if records is not None:
        recorder.add(records.append)
    seconds = {"header_timeout": 10.0, "keep_alive": 75.0, "request_timeout": 600.0, **limits}
    return Edge(recorder, **seconds)  # type: ignore[arg-type]


def parts(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    """First line, headers and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return first, {name: value for name, _, value in pairs}, body


def test_refused_request_gets_json_and_is_recorded():
    records: list[Record] = []
    start = b"GET /a?b HTTP/1.1\r\nX-Request-Id: mine\r\n"
    answer = edge_with(records).refuse(RefusedRequest("no Host"), start, "10.0.0.1")
    first, headers, body = parts(answer)
    assert (first, json.loads(body)) == ("HTTP/1.1 400 Bad Request", {"message": "ERROR: no Host"})
    assert (headers["Connection"], headers["Content-Length"]) == ("close", str(len(body)))
    assert (headers["X-Request-ID"], headers["X-Content-Type-Options"]) == ("mine", "nosniff")
    (record,) = records
    assert (record.method, record.target, record.protocol) == ("GET", "/a?b", "HTTP/1.1")
    assert (record.status, record.size, record.client) == (400, len(body), "10.0.0.1")
    assert record.error == "no Host"


def test_log_line_of_a_refusal_has_the_id_of_its_request(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    caplog.handler.addFilter(ContextFilter())
    request_id.set("the request before on this thread")
    edge_with().refuse(RefusedRequest("x"), b"GET / HTTP/1.1\r\nX-Request-ID: mine\r\n", "")
    (line,) = caplog.records
    assert vars(line)["context"] == {"request_id": "mine"}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (b"X-Request-ID: a\r\nx-request-id:\tb \r\n", "a,b"),
        (b"X-Request-ID: a\r\nX-Request-ID: two words\r\n", None),
        (b"X-Request-ID: \xff\r\n", None),
        (b"X-Request-ID: %s\r\n" % (b"x" * 129), None),
        (b"X-Request-ID: a", None),
    ],
)
def test_request_id_of_a_refused_request_is_that_of_the_apps(lines, told):
    answer = edge_with().refuse(RefusedRequest("x"), b"GET / HTTP/1.1\r\n" + lines, "")
    found = parts(answer)[1]["X-Request-ID"]
    assert (found == told) if told else (len(found) == 36)


def test_page_may_read_why_its_request_was_refused():
    origins: list[str] = []

    def readable(origin: str) -> list[tuple[str, str]]:
        origins.append(origin)
        return [("Vary", "Origin")]

    edge = replace(edge_with(), cors=readable)
    start = b"GET / HTTP/1.1\r\nOrigin: https://a.example \r\nX"
    assert parts(edge.refuse(RefusedRequest("x"), start, ""))[1]["Vary"] == "Origin"
    assert parts(edge.answer(DrumError("x"), "null"))[1]["Vary"] == "Origin"
    assert origins == ["https://a.example", "null"]


@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01", b"GET / HTT"])
def test_request_without_a_first_line_is_recorded_without_it(start):
    records: list[Record] = []
    edge_with(records).refuse(too_slow("the request head"), start, "")
    (record,) = records
    assert (record.method, record.target, record.protocol) == ("-", "-", "-")
    assert (record.status, len(record.request_id)) == (408, 36)


def test_answer_to_head_has_no_body():
    records: list[Record] = []
    answer = edge_with(records).refuse(RefusedRequest("x"), b"HEAD / HTTP/1.1\r\n", "")
    assert (parts(answer)[2], records[0].size) == (b"", 0)


def test_overloaded_server_says_when_to_come_back():
    answer = edge_with().refuse(Overloaded("full"), b"", "")
    first, headers, _ = parts(answer)
    assert (first, headers["Retry-After"]) == ("HTTP/1.1 503 Service Unavailable", "5")


def test_answer_without_a_record_tells_the_error():
    first, _, body = parts(edge_with().answer(DrumError("internal error")))
    assert first == "HTTP/1.1 500 Internal Server Error"
    assert json.loads(body) == {"message": "ERROR: internal error"}


@pytest.mark.parametrize(("request_timeout", "seconds"), [(600.0, 60.0), (5.0, 5.0), (0.0, 60.0)])
def test_client_must_take_its_answer(request_timeout, seconds):
    assert edge_with(request_timeout=request_timeout).write_timeout == seconds


def test_body_may_rest_for_as_long_as_a_head_may_take():
    clock = BodyClock(edge_with())
    clock.got(1_000_000)
    clock.wait(9)
    assert clock.left() == pytest.approx(1)
    clock.got(1)
    assert clock.left() == pytest.approx(10)


def test_body_that_trickles_uses_up_its_grace():
    clock = BodyClock(edge_with())
    for _ in range(10):
        clock.wait(1)
        clock.got(1)
    assert clock.left() == pytest.approx(10 / 500)
    clock.restart()
    assert clock.left() == pytest.approx(10)


def test_body_must_be_whole_within_the_request_timeout():
    clock = BodyClock(edge_with(request_timeout=20))
    for _ in range(4):
        clock.wait(5)
        clock.got(10_000)
    assert clock.left() == pytest.approx(0)


@pytest.mark.parametrize(
    ("header_timeout", "request_timeout", "left"), [(0, 0, None), (0, 3, 3), (3, 0, 3)]
)
def test_limits_can_be_turned_off(header_timeout, request_timeout, left):
    edge = edge_with(header_timeout=header_timeout, request_timeout=request_timeout)
    assert BodyClock(edge).left() == left


def test_reader_that_takes_little_uses_up_its_time():
    clock = ReaderClock(edge_with())
    for _ in range(59):
        clock.wait(1, 1)
    assert clock.left == pytest.approx(1 + 59 / 500)
    clock.wait(1, 1_000_000)
    assert clock.left == 60
