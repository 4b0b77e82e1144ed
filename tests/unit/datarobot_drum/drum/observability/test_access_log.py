"""One line for each request, whatever the request holds."""

from __future__ import annotations

import json
import locale
import logging
import os
import re
from collections.abc import Callable, Iterator

import pytest

from datarobot_drum.drum.lifecycle import WorkerLifecycle
from datarobot_drum.drum.observability.access_log import LONGEST_LINE, AccessLog
from datarobot_drum.drum.observability.masking import mask_output, stop_masking
from datarobot_drum.drum.observability.record import Record, Recorder
from datarobot_drum.drum.observability.sinks import log_errors, start_telemetry
from datarobot_drum.drum.settings import Settings

Write = Callable[..., str]


@pytest.fixture
def write() -> Iterator[Write]:
    """`write(record, as_json=…, with_query=…)` is the line of a record."""
    reader, writer = os.pipe()

    def line(record: Record, *, as_json: bool = False, with_query: bool = True) -> str:
        log = AccessLog(as_json=as_json, with_query=with_query, descriptor=writer)
        log(record)
        log.stop()
        return os.read(reader, 65536).decode()

    yield line
    os.close(reader)
    os.close(writer)


def record(target: str = "/predict/", method: str = "POST", **more: str) -> Record:
    """A request that was answered."""
    made = Record("id-1", method, target, client="10.0.0.1", **more)
    made.status, made.size, made.seconds = 200, 21, 0.0123456
    return made


def test_line_has_the_combined_form(write: Write) -> None:
    line = write(record("/predict/?a=1", referer="http://a", agent="curl"))
    time = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    rest = r'"POST /predict/\?a=1 HTTP/1\.1" 200 21 "http://a" "curl"\n'
    assert re.fullmatch(rf"10\.0\.0\.1 - - {time} {rest}", line)


def test_what_is_not_there_is_a_dash(write: Write) -> None:
    empty = Record("id", "GET", "/")
    assert re.fullmatch(r'- - - \[.*\] "GET / HTTP/1\.1" 499 - "-" "-"\n', write(empty))


def test_month_is_english_in_every_locale(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda form, now: form)
    assert re.search(r"\[%d/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/", write(record()))
    assert locale.getlocale(locale.LC_TIME)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/a?", "/a"),
        ("/a?b?", "/a?b?"),
        ('/a"b', r"/a\"b"),
        ("/a\\b", r"/a\\b"),
        ("/a\n127.0.0.1 - -", r"/a\x0a127.0.0.1 - -"),
        ("/\x1b[31m\x7f\r\x00", r"/\x1b[31m\x7f\x0d\x00"),
        ("/caf\u00e9\u2028\U0001f600", r"/caf\xe9\u2028\u1f600"),
        ("/%0a", "/%0a"),
    ],
)
def test_line_cannot_be_forged(target: str, shown: str, write: Write) -> None:
    line = write(record(target))
    assert line.count("\n") == 1
    assert f'"POST {shown} HTTP/1.1"' in line


@pytest.mark.parametrize("as_json", [False, True])
def test_query_can_be_dropped(as_json: bool, write: Write) -> None:
    line = write(record("/a?password=1"), as_json=as_json, with_query=False)
    assert "/a" in line
    assert "password" not in line


@pytest.mark.parametrize("character", ["x", "\u00e9", '"', "\x00", "\U0001f600"])
@pytest.mark.parametrize("as_json", [False, True])
def test_line_is_never_longer_than_one_write(character: str, as_json: bool, write: Write) -> None:
    huge = character * 100_000
    line = write(record("/" + huge, huge, agent=huge, referer=huge), as_json=as_json)
    assert len(line.encode()) <= LONGEST_LINE
    assert "..." in line


def test_json_line_has_all_facts(write: Write) -> None:
    made = record("/a?b=1", agent='"\n')
    made.trace_id, made.span_id, made.route, made.operation = 10, 11, "/a", "predict"
    told = json.loads(write(made, as_json=True))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("timestamp"))
    assert told == {
        "level": "INFO",
        "logger": "drum.access",
        "message": "POST /a",
        "request_id": "id-1",
        "trace_id": "0" * 31 + "a",
        "span_id": "0" * 15 + "b",
        "exception": None,
        "client": "10.0.0.1",
        "method": "POST",
        "target": "/a?b=1",
        "protocol": "HTTP/1.1",
        "route": "/a",
        "operation": "predict",
        "status": 200,
        "bytes": 21,
        "seconds": 0.012346,
        "referer": "",
        "agent": '"\n',
        "failed": False,
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_secrets_that_a_client_sends_are_masked(as_json: bool, write: Write) -> None:
    mask_output(["open-sesame"])
    try:
        line = write(record("/a?key=open-sesame", agent="open-sesame"), as_json=as_json)
    finally:
        stop_masking()
    assert "/a?key=*****" in line
    assert "sesame" not in line


def test_answer_to_head_has_no_bytes() -> None:
    made = record(method="HEAD")
    Recorder().end(made)
    assert made.size == 0


@pytest.mark.parametrize(("on", "steps"), [("true", 1), ("false", 0)])
def test_access_log_can_be_turned_off(
    on: str, steps: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lifecycle = WorkerLifecycle()
    start_telemetry(Recorder(), Settings.load({"DRUM_ACCESS_LOG": on}), lifecycle)
    lifecycle.cleanup()
    assert caplog.text.count("cleanup: access log") == steps


@pytest.mark.parametrize(("query", "shown"), [("true", r"/a?b=\x0a1"), ("false", "/a")])
def test_errors_have_a_line_of_log(
    query: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recorder = Recorder()
    log_errors(recorder, Settings.load({"DRUM_ACCESS_LOG_QUERY": query}))
    for status in (200, 399, 400):
        made = record("/a?b=\n1")
        made.status = status
        recorder.end(made)
    (line,) = caplog.messages
    assert line.startswith(f"API [POST {shown}] request time: ")
    assert line.endswith(" sec, request_id: id-1")


@pytest.mark.parametrize("status", [0, 200])
def test_requests_that_were_cut_off_have_a_line_of_log(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recorder = Recorder()
    log_errors(recorder, Settings())
    made = record()
    made.status, made.failed = status, True
    recorder.end(made)
    (line,) = caplog.messages
    assert line.endswith("request_id: id-1 (the client left, or the answer was cut off)")


def test_errors_cost_nothing_when_nobody_reads_of_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    recorder = Recorder()
    log_errors(recorder, Settings())
    made = record()
    made.status = 500
    recorder.end(made)
    assert caplog.messages == []
