"""What real servers write: one access log on every server type, and JSON in every line."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, ServerContext, StartServer
from tests.operations.raw_http import RawConnection, exchange

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
MODEL = FIXTURES / "models" / "telemetry"
OPTIONS = ("--target-type", "textgeneration", "--logging-level", "info")
TYPES = ("flask", "gunicorn", "fastapi")

#: Fluent Bit's parser `apache2`, as its configuration has it; Fluentd's is the same.
COMBINED = re.compile(
    r"^(?P<host>[^ ]*) [^ ]* (?P<user>[^ ]*) \[(?P<time>[^\]]*)\] "
    r'"(?P<method>\S+)(?: +(?P<path>[^ ]*) +\S*)?" (?P<code>[^ ]*) (?P<size>[^ ]*)'
    r'(?: "(?P<referer>[^\"]*)" "(?P<agent>.*)")?$'
)
TIME = re.compile(r"\[[^\]]*\]")


def request(line: str, *headers: str, body: str = "") -> bytes:
    """One request on a connection of its own."""
    length = (f"Content-Length: {len(body)}",) if body or line.startswith("POST") else ()
    lines = (f"{line} HTTP/1.1", "Host: x", "Connection: close", *headers, *length)
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


CSV = "Content-Type: text/csv"
CHAT = json.dumps({"messages": [{"role": "user", "content": "a"}], "stream": True})

#: Requests and the lines that tell of them, without host and time.
REQUESTS = {
    request("GET /livez"): '"GET /livez HTTP/1.1" 200 * "-" "-"',
    request("GET /livez?"): '"GET /livez HTTP/1.1" 200 * "-" "-"',
    request("GET /livez?a=1&b=%0A"): '"GET /livez?a=1&b=%0A HTTP/1.1" 200 * "-" "-"',
    request("HEAD /livez"): '"HEAD /livez HTTP/1.1" 200 - "-" "-"',
    request("OPTIONS /predict/"): '"OPTIONS /predict/ HTTP/1.1" 200 - "-" "-"',
    request("GET /nowhere"): '"GET /nowhere HTTP/1.1" 404 * "-" "-"',
    request("POST /livez"): '"POST /livez HTTP/1.1" 405 * "-" "-"',
    request("POST /predict/", CSV, body="a\n1\n"): '"POST /predict/ HTTP/1.1" 200 * "-" "-"',
    request("POST /predict/", CSV, body="fail\n1\n"): '"POST /predict/ HTTP/1.1" 500 * "-" "-"',
    request("POST /chat/completions", "Content-Type: application/json", body=CHAT): (
        '"POST /chat/completions HTTP/1.1" 200 * "-" "-"'
    ),
    request("GET /livez", "Referer: http://a/?b", "User-Agent: curl/8 (x)"): (
        '"GET /livez HTTP/1.1" 200 * "http://a/?b" "curl/8 (x)"'
    ),
    request("GET /livez", 'User-Agent: a" 200 1 "-" "b', "Referer: \\"): (
        '"GET /livez HTTP/1.1" 200 * "\\\\" "a\\" 200 1 \\"-\\" \\"b"'
    ),
    request("GET /livez", "User-Agent: caf\u00e9\ttab"): (
        '"GET /livez HTTP/1.1" 200 * "-" "caf\\xe9\\x09tab"'
    ),
    request("GET /livez", f"User-Agent: {'x' * 3000}"): (
        f'"GET /livez HTTP/1.1" 200 * "-" "{"x" * 512}..."'
    ),
    request('GET /no"where'): '"GET /no\\"where HTTP/1.1" 404 * "-" "-"',
    request(f"GET /{'y' * 3000}"): f'"GET /{"y" * 2047}... HTTP/1.1" 404 * "-" "-"',
}


def access_lines(server: RunningServer) -> list[str]:
    """The lines of the access log, without time and answers to the test's waiting."""
    lines = [line for line in server.log.splitlines() if re.match(r"127\.0\.0\.1 - - \[", line)]
    return [TIME.sub("[]", line) for line in lines if "python-httpx" not in line]


@pytest.fixture(scope="module")
def servers(running_server: ServerContext) -> Iterator[dict[str, RunningServer]]:
    """The three server types, started at the same time."""
    with ExitStack() as stack:
        found = {
            kind: stack.enter_context(
                running_server(MODEL, *OPTIONS, server_type=kind, wait=False, env=TARGET)
            )
            for kind in TYPES
        }
        for server in found.values():
            server.wait_until_ready()
        yield found


TARGET = {"TARGET_NAME": "answer"}


@pytest.fixture(params=TYPES)
def server(request: pytest.FixtureRequest, servers: dict[str, RunningServer]) -> RunningServer:
    """Each in turn."""
    return servers[request.param]


def mark(server: RunningServer) -> str:
    """Send a request that is told from all others, and wait for its line."""
    path = f"/livez?{secrets.token_hex(8)}"
    exchange(server.port, request(f"GET {path}"))
    while not any(path in line for line in access_lines(server)):
        continue
    return path


def between(server: RunningServer, first: str, last: str) -> list[str]:
    """The lines between those of two marks."""
    lines = access_lines(server)
    places = [place for place, line in enumerate(lines) if first in line or last in line]
    return lines[places[0] + 1 : places[1]]


def test_every_request_has_its_line(server: RunningServer) -> None:
    first = mark(server)
    sizes = [size_of(exchange(server.port, sent)) for sent in REQUESTS]
    assert between(server, first, mark(server)) == [
        f"127.0.0.1 - - [] {line.replace(' * ', f' {size} ')}"
        for line, size in zip(REQUESTS.values(), sizes, strict=True)
    ]


ENDLESS = json.dumps({"messages": [], "stream": True, "n": 10**9})
JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("line", "headers", "body", "left_out", "status"),
    [
        ("POST /predict/", CSV, "a\n1\n", 3, r"4\d\d"),
        ("POST /chat/completions", JSON, ENDLESS, 0, "200"),
    ],
)
def test_request_that_is_cut_off_has_one_line(
    line: str, headers: str, body: str, left_out: int, status: str, server: RunningServer
) -> None:
    path = secrets.token_hex(8)
    sent = request(f"{line}?{path}", headers, body=body)
    with RawConnection(server.port) as connection:
        connection.send(sent[: len(sent) - left_out])
        if not left_out:
            connection.read_head()
    while not any(path in told for told in access_lines(server)):
        continue
    mark(server)
    (told,) = [told for told in access_lines(server) if path in told]
    assert re.search(rf'" {status} (\d+|-) "', told)


def size_of(answer: bytes) -> int:
    """Bytes of an answer's body; the frames of a chunked one are not part of it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return len(body)
    size = 0
    while body:
        length, _, body = body.partition(b"\r\n")
        size += int(length, 16)
        body = body[int(length, 16) + 2 :]
    return size


def test_lines_are_read_by_common_parsers(server: RunningServer) -> None:
    server.get("/livez?a=b", headers={"User-Agent": "tool (1.0)", "Referer": "http://from/"})
    found: Any = None
    while not found:
        lines = (COMBINED.match(line) for line in server.log.splitlines())
        found = next((m for m in lines if m and m["agent"] == "tool (1.0)"), None)
    assert found.groupdict() == {
        "host": "127.0.0.1",
        "user": "-",
        "time": found["time"],
        "method": "GET",
        "path": "/livez?a=b",
        "code": "200",
        "size": "19",
        "referer": "http://from/",
        "agent": "tool (1.0)",
    }
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", found["time"])


def test_errors_have_a_line_of_log_with_their_id(server: RunningServer) -> None:
    server.get("/nowhere?q=1", headers={"X-Request-ID": "id-7"})
    expected = r"INFO drum.server:  API \[GET /nowhere\?q=1\] request time: \d\.\d{3} sec, "
    while not re.search(expected + "request_id: id-7", server.log):
        continue
    assert "Starting gunicorn" not in server.log or " INFO gunicorn.error:  Starting" in server.log


def test_start_is_told(server: RunningServer) -> None:
    assert "INFO drum:  >>> Start drum in the server mode" in server.log
    assert server.log.count(">>> Start drum") == 1


def model_with_extensions(folder: Path) -> Path:
    """The model with an extension for each server that asks for a token."""
    shutil.copytree(MODEL, folder)
    for name in ("custom_flask", "custom_fastapi"):
        shutil.copy(FIXTURES / f"{name}_demo_auth.py", folder / f"{name}.py")
    return folder


def test_json_is_the_form_of_every_line(
    server_type: str, start_server: StartServer, tmp_path: Path
) -> None:
    env = {
        **TARGET,
        "DRUM_JSON_LOGGING": "true",
        "DRUM_ACCESS_LOG_QUERY": "false",
        "DRUM_UVICORN_LOG_LEVEL": "warning",
        "DRUM_GUNICORN_MAX_REQUESTS": "many",
    }
    folder = model_with_extensions(tmp_path / "model")
    server = start_server(folder, *OPTIONS, server_type=server_type, env=env, wait=False)
    server.wait_until_ready("/ping/")
    for column in ("a", "fail", "thread"):
        server.post("/predict/?secret", content=f"{column}\n1\n", headers=AUTHORIZED)
    refused = server.post("/predict/", content="a\n1\n")
    assert refused.status_code == 401
    exchange(server.port, request("GET /nowhere", 'User-Agent: "\\', "X-Auth: sesame"))
    server.stop()
    lines = [json.loads(line) for line in server.log.splitlines() if not is_print(line)]
    assert all(list(line)[:8] == FIELDS for line in lines)
    assert "secret" not in server.log.replace(str(folder), "")
    by_message = {line["message"]: line for line in lines}
    assert "nobody catches this" in by_message[UNCAUGHT]["exception"]
    assert by_message["scoring"]["rows"] == 1
    assert by_message["scoring"]["odd"] == "nan"
    warning = next(line for line in lines if line["logger"] == "py.warnings")
    assert "a warning of model code" in warning["message"]
    failed = next(line for line in lines if line["message"].startswith("HookError"))
    assert "ValueError: the score hook failed" in failed["exception"]
    answered = [line for line in lines if line["logger"] == "drum.access"]
    statuses = [line["status"] for line in answered if line["target"] != "/ping/"]
    assert statuses == [200, 500, 200, 401, 404]
    assert failed["request_id"] in {line["request_id"] for line in answered}
    assert answered[-1]["agent"] == '"\\'
    assert not [line for line in lines if line["logger"].startswith(("gunicorn", "uvicorn"))]


FIELDS = [
    *("timestamp", "level", "logger", "message"),
    *("request_id", "trace_id", "span_id", "exception"),
]
UNCAUGHT = "uncaught exception in thread helper: RuntimeError('nobody catches this')"
AUTHORIZED = {"X-Auth": "sesame"}


def is_print(line: str) -> bool:
    """Is it what the program says on stdout when it is interrupted at a terminal?"""
    return line == "Ctrl+C pressed, aborting drum"


def test_workers_do_not_mix_their_lines(start_server: StartServer) -> None:
    env = {**TARGET, "CUSTOM_MODEL_WORKERS": "2"}
    server = start_server(MODEL, *OPTIONS, server_type="fastapi", env=env)
    targets = [f"/livez?{number:03}{'x' * (6 * number)}" for number in range(300)]
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda path: exchange(server.port, request(f"GET {path}")), targets))
    server.stop()
    lines = [line.split()[5] for line in access_lines(server)]
    assert sorted(lines) == targets


@pytest.mark.parametrize("server_type", ["flask", "fastapi"])
def test_failed_start_is_told_in_json(server_type: str, start_server: StartServer) -> None:
    server = start_server(
        FIXTURES / "models" / "broken_load",
        *("--target-type", "regression"),
        server_type=server_type,
        env={"DRUM_JSON_LOGGING": "true"},
        wait=False,
    )
    assert server.process.wait(60) != 0
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert any("Traceback" in (line["exception"] or "") for line in lines)
