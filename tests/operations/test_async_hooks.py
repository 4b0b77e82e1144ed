"""Real servers and hooks that wait: async ones overlap, others never do.

Row 9 of the conformance table: two overlapping requests into a model that is not thread-safe.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer, ServerContext
from tests.contract.exchanges import eventually
from tests.stand_ins.http_service import listening

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "fixtures" / "models"
PROBES = ("/ping/", "/health/", "/livez", "/readyz", "/startupz", "/info/", "/stats/")
CSV = {"Content-Type": "text/csv"}
TEXT = {"Content-Type": "text/plain"}
LIMIT = {"DRUM_MAX_CONCURRENT_REQUESTS": "60"}

Ask = Callable[..., Future[httpx.Response]]


@pytest.fixture(scope="module")
def server(running_server: ServerContext) -> Iterator[RunningServer]:
    args = ("--target-type", "regression")
    with running_server(MODELS / "awaiting", *args, server_type="fastapi", env=LIMIT) as server:
        yield server


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """`ask(server, path, body, headers)` sends a request and does not wait."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    with (
        httpx.Client(trust_env=False, timeout=60, limits=limits) as client,
        ThreadPoolExecutor(60) as crowd,
    ):
        yield lambda server, path, body, headers: crowd.submit(
            client.post, server.url + path, content=body, headers=headers
        )


def row(number: int, action: str = "pass", together: int = 0) -> bytes:
    return b"v,do,together\n%d,%s,%d\n" % (number, action.encode(), together)


def queue(server: RunningServer) -> dict[str, int]:
    figures: dict[str, int] = server.get("/stats/").json()["server"]["queue"]
    return figures


def test_fifty_requests_wait_in_the_hook_at_once(server: RunningServer, ask: Ask) -> None:
    # each waits until all of them are in the hook: one after the other they would never end
    asked = [ask(server, "/predict/", row(n, together=50), CSV) for n in range(50)]
    answers = [future.result().json() for future in asked]
    assert answers == [{"predictions": [float(n)]} for n in range(50)]
    assert queue(server)["max_running"] == 60


def test_probes_answer_while_requests_wait_in_hooks(server: RunningServer, ask: Ask) -> None:
    asked = [ask(server, "/predict/", row(n, together=56), CSV) for n in range(55)]
    eventually(lambda: queue(server)["running"] == 55)
    assert [server.get(path).status_code for path in PROBES] == [200] * len(PROBES)
    asked.append(ask(server, "/predict/", row(55, together=56), CSV))
    assert [future.result().status_code for future in asked] == [200] * 56


def test_probes_answer_while_a_hook_blocks_by_mistake(server: RunningServer, ask: Ask) -> None:
    blocking = ask(server, "/predict/", row(1, "block"), CSV)
    eventually(lambda: queue(server)["running"] == 1)
    assert [server.get(path).status_code for path in PROBES] == [200] * len(PROBES)
    assert not blocking.done()
    assert blocking.result().status_code == 200


@pytest.mark.parametrize(
    ("server_type", "environment"),
    [
        ("flask", {}),
        ("gunicorn", {}),
        ("gunicorn", {"DRUM_GUNICORN_WORKER_CLASS": "sync"}),
        ("fastapi", {}),
    ],
)
def test_model_that_is_not_thread_safe_is_called_once_at_a_time(
    running_server: ServerContext, ask: Ask, server_type: str, environment: dict[str, str]
) -> None:
    args = ("--target-type", "regression")
    started = running_server(MODELS / "alone", *args, server_type=server_type, env=environment)
    with started as server:
        asked = [ask(server, "/predict/", row(n), CSV) for n in range(20)]
        answers = [future.result().json() for future in asked]
    assert answers == [{"predictions": [float(n)]} for n in range(20)]


def test_worker_that_stops_cancels_hooks_that_do_not_end(
    running_server: ServerContext, ask: Ask
) -> None:
    environment = {**LIMIT, "DRUM_UVICORN_GRACEFUL_TIMEOUT": "1"}
    args = ("--target-type", "unstructured")
    with running_server(
        MODELS / "awaiting", *args, server_type="fastapi", env=environment
    ) as server:
        asked = [ask(server, "/predictUnstructured/", b"stubborn", TEXT) for _ in range(3)]
        eventually(lambda: queue(server)["running"] == 3)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) in (0, 1)
        assert all(future.exception() or future.result().status_code >= 500 for future in asked)


class FeatureStore(BaseHTTPRequestHandler):
    """Answers each key with its length."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps([len(key) for key in body["keys"]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Be quiet."""


def test_example_of_the_guide_runs(running_server: ServerContext, ask: Ask, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "ASYNC_HOOKS.md").read_text()
    example, _ = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "custom.py").write_text(example)
    args = ("--target-type", "regression")
    with (
        listening(FeatureStore) as address,
        running_server(
            tmp_path, *args, server_type="fastapi", env={"FEATURE_STORE": address}
        ) as server,
    ):
        asked = [ask(server, "/predict/", b"Key\nabc\nde\n", CSV) for _ in range(5)]
        answers = [future.result().json() for future in asked]
    assert answers == [{"predictions": [6.0, 4.0]}] * 5
