"""What a client sends, secrets and paths are told nowhere but where that is declared below."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, ServerContext, find_free_port
from tests.operations.fronts import wait_for
from tests.operations.raw_http import RawConnection, exchange, status_of
from tests.security.leaks import CASES, GUARDED, MARK, Case, Evidence, ask
from tests.stand_ins.otlp_receiver import Collector, collecting

MODEL = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "discreet"
TYPES = ("flask", "gunicorn", "fastapi")
PAGES = ("/", "/info/", "/stats/", "/capabilities/", "/metrics", "/ui/", "/ui/facts", "/health/")
SLOW = Case(504, body="sleep,{column}\n1,{cell}\n")
BUSY = Case(503)
BROKEN = {"failed load": Case(513), "unknown path": Case(404, "POST /{path}?{query}")}

SECRETS = {
    "user secret": "s3cret-of-a-task",
    "credential": "s3cret-credential",
    "collector": "s3cret-of-the-collector",
    "storage": "s3cret-of-redis",
}

#: Where a mark may be seen: its place, where it is told, and why.
DECLARED = (
    ("path", r"log", "access log and log tell which path was asked for"),
    ("path", r"telemetry", "the span of a request tells its path, as OpenTelemetry has it"),
    ("method", r"log|page: /ui/facts|telemetry", "a field of the combined log format"),
    ("agent", r"log|telemetry", "a field of the combined log format"),
    ("referer", r"log|telemetry", "a field of the combined log format"),
    ("type", r"answer: content type|log|page: /ui/facts|telemetry", "clients know this text"),
    ("encoding", r"answer: content encoding|log|page: /ui/facts|telemetry", "it helps the client"),
)


def variables(collector: Collector) -> dict[str, str]:
    """The environment of a server that tells as much as it can."""
    login = {"credential_type": "basic", "username": "app", "password": SECRETS["user secret"]}
    token = {"credentialType": "api_token", "apiToken": SECRETS["credential"]}
    return {
        "DRUM_ENABLE_UI": "true",
        "DRUM_FASTAPI_MAX_UPLOAD_SIZE": "20000",
        "DRUM_CLIENT_REQUEST_TIMEOUT": "5",
        "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH": "0",
        "DRUM_UVICORN_HEADER_TIMEOUT": "3",
        "DRUM_ACCESS_LOG_QUERY": "false",
        "DRUM_OTEL_SERVER_SPANS": "true",
        "SECRET_LOGIN": json.dumps(login),
        "MLOPS_RUNTIME_PARAM_TOKEN": json.dumps({"type": "credential", "payload": token}),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {SECRETS['collector']}",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BLRP_SCHEDULE_DELAY": "50",
        "DRUM_RATE_LIMIT_ENABLED": "true",
        "DRUM_RATE_LIMIT_STORAGE": f"redis://:{SECRETS['storage']}@127.0.0.1:{find_free_port()}",
    }


LIMITED = {"DRUM_RATE_LIMIT_STORAGE": "", "DRUM_RATE_LIMIT_RPM": "12", "DRUM_TEST_BROKEN": "1"}
OPTIONS = (
    "--target-type",
    "regression",
    "--logging-level",
    "info",
    "--user-secrets-prefix",
    "SECRET",
)


@pytest.fixture(scope="module")
def code_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model in a folder whose name is told by nothing else."""
    folder = tmp_path_factory.mktemp("hidden") / "model"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def evidence(running_server: ServerContext, code_dir: Path) -> Iterator[dict[str, Evidence]]:
    """What a server of each type, and one of each whose model is broken, have told."""
    with ExitStack() as stack:
        started = {}
        for kind in TYPES:
            for name, more, extra in (
                (kind, (), {}),
                (f"{kind} broken", ("--with-error-server",), LIMITED),
            ):
                collector = stack.enter_context(collecting())
                env = {**variables(collector), **extra}
                server = stack.enter_context(
                    running_server(code_dir, *OPTIONS, *more, server_type=kind, env=env, wait=False)
                )
                started[name] = server, collector
        with ThreadPoolExecutor() as pool:
            servers = [server for server, _ in started.values()]
            found = dict(zip(started, pool.map(tell, started, servers), strict=True))
        for name, (server, collector) in started.items():
            server.stop()
            found[name].log = server.log_path.read_bytes()
            sent = [*collector.spans, *collector.logs, *collector.metrics]
            found[name].telemetry = [repr(item).encode() for item in sent]
    yield found


def tell(name: str, server: RunningServer) -> Evidence:
    """Send all requests and read all pages."""
    told = Evidence()
    if name.endswith("broken"):
        server.wait_until_ready("/livez")
        wait_for(lambda: server.get("/").status_code == 513, "the error server")
        cases = dict(BROKEN)
    else:
        server.wait_until_ready()
        cases = CASES if name == "flask" else {**CASES, **GUARDED}
    for case_name, case in cases.items():
        told.answers[case_name] = ask(server.port, case)
    statuses = {name: status_of(answer) for name, answer in told.answers.items()}
    assert statuses == {name: case.status for name, case in cases.items()}
    if name.endswith("broken"):
        told.answers["rate limit"] = first_with(429, server.port, BROKEN["failed load"])
    else:
        told.answers["too slow"], told.answers["busy"] = slow_and_busy(server)
    for path in PAGES:
        told.pages[path] = server.get(path).content
    return told


def slow_and_busy(server: RunningServer) -> tuple[bytes, bytes]:
    """The answers to a prediction that takes too long, and to one meanwhile."""
    with RawConnection(server.port) as slow:
        slow.send(SLOW.request())
        wait_for(lambda: queue(server)["running"], "a prediction that runs")
        busy = ask(server.port, BUSY)
        answer = slow.read_until_closed()
    assert (status_of(busy), status_of(answer)) == (503, 504)
    return answer, busy


def queue(server: RunningServer) -> dict[str, Any]:
    """The figures of the line for predictions."""
    found: dict[str, Any] = server.get("/stats/").json()["server"]["queue"]
    return found


def first_with(status: int, port: int, case: Case) -> bytes:
    """The first answer of that status to a case that is sent again and again."""
    request = case.request()
    answers = (exchange(port, request) for _ in range(20))
    return next(answer for answer in answers if status_of(answer) == status)


@pytest.fixture(params=[f"{kind}{state}" for kind in TYPES for state in ("", " broken")])
def told(request: pytest.FixtureRequest, evidence: dict[str, Evidence]) -> Evidence:
    """What each has told, in turn."""
    return evidence[request.param]


def is_declared(mark: str, where: str) -> bool:
    return any(mark == place and re.fullmatch(told, where) for place, told, _ in DECLARED)


def test_marks_of_requests_are_told_only_where_that_is_declared(told):
    seen = {
        (mark.decode().lower(), where, text[:300])
        for where, text in told.texts()
        for mark, _ in MARK.findall(text)
    }
    assert [one for one in sorted(seen) if not is_declared(one[0], one[1])] == []
    # and they are found where they are told
    assert any((mark, where) == ("path", "log") for mark, where, _ in seen)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_secrets_of_the_environment_are_told_nowhere(told, secret):
    assert [(where, text) for where, text in told.texts() if secret.encode() in text] == []


def test_secret_that_model_code_tells_is_masked(evidence):
    for kind in TYPES:
        assert b"postgres://app:*****@db refused" in evidence[kind].answers["hook tells a secret"]


def test_paths_of_the_machine_are_told_only_where_that_is_declared(told, code_dir, home):
    places = (str(code_dir), str(home), sys.prefix, str(Path(__file__).resolve().parents[2]))
    seen = [
        (where, text)
        for where, text in told.texts()
        if any(place.encode() in text for place in places)
    ]
    assert [(where, text) for where, text in seen if not may_tell_paths(where, text)] == []


#: The line of the start that clients of the log know, tracebacks of model code, and OpenTelemetry's
#: attribute of a log line.
TELLS_PATHS = re.compile(
    rb"Detected \S+/custom.py \.\. trying to load hooks"
    rb'|File "[^"]+", line \d+'
    rb"|'code.file.path': '[^']+\.py'"
)


#: Pages with a key of the reference's API that holds a path.
PAGES_WITH_PATHS = {
    "page: /info/": b'"codeDir":',
    "page: /ui/facts": b'"codeDir":',
    "page: /stats/": b'"cmdline":',
}


def may_tell_paths(where: str, text: bytes) -> bool:
    """Answers never may; pages by keys that clients know; the log is for operators."""
    if where.startswith("page: "):
        return where in PAGES_WITH_PATHS and text.count(PAGES_WITH_PATHS[where]) == 1
    return where in ("log", "telemetry") and bool(TELLS_PATHS.search(text))
