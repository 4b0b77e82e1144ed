"""What an operator sees of each server type: start, probes, drain, exit codes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CSV = {"Content-Type": "text/csv"}
DATA = b"a\n1\n2\n"
ANSWER = b'{"predictions":[2.0,4.0]}'

#: `load_model` and `score` wait for files that the test makes, and tell that they have begun
GATED_MODEL = """
import os, pathlib, time

FOLDER = pathlib.Path(os.environ["GATES"])


def pass_gate(name):
    (FOLDER / f"{name}.reached").touch()
    for _ in range(6000):
        if (FOLDER / f"{name}.open").exists():
            return
        time.sleep(0.01)
    raise TimeoutError(name)


def load_model(code_dir):
    pass_gate("load")
    return "model"


def score(data, model, **kwargs):
    import pandas as pd

    if "gate" in data.columns:
        pass_gate("score")
    return pd.DataFrame({"Predictions": data["a"] * 2.0})
"""

PLAIN_MODEL = """
import pandas as pd


def load_model(code_dir):
    return "model"


def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": data["a"] * 2.0})
"""


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Poll until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.02)


class Gates:
    """The files that the gated model waits for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, name: str) -> None:
        (self.folder / f"{name}.open").touch()

    def wait_until_reached(self, name: str) -> None:
        wait_for((self.folder / f"{name}.reached").exists, f"the gate {name}")


@pytest.fixture
def gates(tmp_path):
    folder = tmp_path / "gates"
    folder.mkdir()
    return Gates(folder)


@pytest.fixture
def folder_of(tmp_path):
    def make(custom: str) -> Path:
        code_dir = tmp_path / "model"
        code_dir.mkdir()
        (code_dir / "custom.py").write_text(custom)
        return code_dir

    return make


@pytest.fixture
def gated_server(start_server, server_type, folder_of, gates):
    """A server whose model is still loading."""
    server = start_server(
        folder_of(GATED_MODEL),
        "--target-type",
        "regression",
        server_type=server_type,
        env={"GATES": str(gates.folder)},
        wait=False,
    )
    server.wait_until_ready("/livez")
    return server


def test_socket_is_open_and_probes_tell_the_truth_before_the_model_is_loaded(gated_server, gates):
    gates.wait_until_reached("load")
    states = {
        path: gated_server.get(path).status_code for path in ("/livez", "/readyz", "/health/")
    }
    assert states == {"/livez": 200, "/readyz": 503, "/health/": 503}
    assert gated_server.get("/startupz").status_code == 503
    assert gated_server.get("/stats/").status_code == 200


def test_request_that_comes_too_early_is_answered_after_the_load(gated_server, gates):
    with ThreadPoolExecutor() as pool:
        early = [
            pool.submit(gated_server.post, "/predict/", content=DATA, headers=CSV),
            pool.submit(gated_server.get, "/ping/"),
        ]
        gates.wait_until_reached("load")
        gates.open("load")
        prediction, ping = (request.result(60) for request in early)
    assert (prediction.status_code, prediction.content) == (200, ANSWER)
    assert ping.json() == {"message": "OK"}


def test_slow_predictions_never_delay_a_probe(gated_server, gates):
    gates.open("load")
    gated_server.wait_until_ready()
    with ThreadPoolExecutor(12) as pool:
        slow = [
            pool.submit(gated_server.post, "/predict/", content=b"a,gate\n1,1\n2,2\n", headers=CSV)
            for _ in range(12)
        ]
        gates.wait_until_reached("score")
        wait_for(lambda: waiting(gated_server) == 11, "the line of waiting requests")
        for path in ("/livez", "/readyz", "/ping/", "/health/", "/info/", "/capabilities/"):
            assert gated_server.get(path, timeout=5).status_code == 200
        gates.open("score")
        assert [request.result(60).content for request in slow] == [ANSWER] * 12


def waiting(server) -> int:
    return server.get("/stats/").json()["server"]["queue"]["waiting"]


def test_failed_load_ends_the_server_once_and_says_why(start_server, server_type, folder_of):
    broken = "def load_model(code_dir):\n    raise RuntimeError('no weights here')\n"
    server = start_server(
        folder_of(broken), "--target-type", "regression", server_type=server_type, wait=False
    )
    assert server.process.wait(60) == 3
    assert "no weights here" in server.log


def test_failed_load_is_told_by_the_error_server(start_server, server_type, folder_of):
    broken = "def load_model(code_dir):\n    raise RuntimeError('no weights here')\n"
    server = start_server(
        folder_of(broken),
        "--target-type",
        "regression",
        "--with-error-server",
        server_type=server_type,
        wait=False,
    )
    server.wait_until_ready("/livez")
    reply = server.post("/predict/", content=DATA, headers=CSV)
    assert reply.status_code == 513
    assert reply.json()["message"].startswith("ERROR: An error occurred when loading your artifact")


def test_two_workers_each_have_a_model(start_server, server_type, folder_of):
    if server_type == "flask":
        pytest.skip("the development server is one process")
    server = start_server(
        folder_of(PLAIN_MODEL),
        "--target-type",
        "regression",
        "--max-workers",
        "2",
        server_type=server_type,
    )
    pids: set[int] = set()

    def has_met_both() -> bool:
        pids.add(answering_worker(server))
        return len(pids) == 2

    wait_for(has_met_both, "an answer of both workers")
    assert server.stop() == 0


def answering_worker(server) -> int:
    # a connection of its own, or keep-alive would stay with one worker
    reply = server.get("/stats/", headers={"Connection": "close"})
    return reply.json()["drum_info"][0]["pid"]


def test_body_over_the_limit_is_refused_whether_declared_or_chunked(
    start_server, server_type, folder_of
):
    server = start_server(
        folder_of(PLAIN_MODEL),
        "--target-type",
        "regression",
        server_type=server_type,
        env={"DRUM_FASTAPI_MAX_UPLOAD_SIZE": "1000"},
    )
    large = DATA + b"3\n" * 1000
    chunked = (large[i : i + 100] for i in range(0, len(large), 100))
    for content in (large, chunked):
        reply = server.post("/predict/", content=content, headers=CSV)
        assert reply.status_code == 413
        assert reply.json()["message"].startswith("ERROR: the request body is larger")
    assert server.post("/predict/", content=DATA, headers=CSV).content == ANSWER


def test_stream_arrives_piece_by_piece(start_server, server_type, folder_of, gates):
    server = start_server(
        folder_of(STREAMING_MODEL),
        "--target-type",
        "textgeneration",
        server_type=server_type,
        env={"GATES": str(gates.folder), "TARGET_NAME": "t"},
    )
    body = {"messages": [], "stream": True}
    with server.client.stream("POST", "/chat/completions", json=body) as reply:
        lines = (line for line in reply.iter_lines() if line)
        assert "first" in next(lines)
        gates.open("second")
        assert "second" in next(lines)
        assert next(lines) == "data: [DONE]"


STREAMING_MODEL = """
import json, os, pathlib, time

GATE = pathlib.Path(os.environ["GATES"], "second.open")


class Chunk:
    object = "chat.completion.chunk"

    def __init__(self, text):
        self.text = text

    def to_json(self, indent=None):
        return json.dumps({"object": self.object, "text": self.text})


def load_model(code_dir):
    return "model"


def chat(params, model, **kwargs):
    yield Chunk("first")
    while not GATE.exists():
        time.sleep(0.01)
    yield Chunk("second")
"""


def test_client_that_leaves_a_stream_frees_the_slot(start_server, server_type, folder_of, gates):
    server = start_server(
        folder_of(STREAMING_MODEL),
        "--target-type",
        "textgeneration",
        server_type=server_type,
        env={"GATES": str(gates.folder), "TARGET_NAME": "t"},
    )
    body = {"messages": [], "stream": True}
    with server.client.stream("POST", "/chat/completions", json=body) as reply:
        next(reply.iter_lines())
        assert server.get("/stats/").json()["server"]["queue"]["running"] == 1
    gates.open("second")
    wait_for(lambda: running(server) == 0, "the free slot")


def running(server) -> int:
    return server.get("/stats/").json()["server"]["queue"]["running"]


def test_body_that_is_cut_off_reaches_no_model(start_server, server_type, folder_of):
    server = start_server(
        folder_of(PLAIN_MODEL), "--target-type", "regression", server_type=server_type
    )
    lines = (
        b"POST /predict/ HTTP/1.1",
        b"Host: x",
        b"Content-Type: text/csv",
        b"Content-Length: 100",
    )
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(head + DATA)
        client.shutdown(socket.SHUT_WR)
        reply = client.recv(1000)
    assert b" 200 " not in reply
    assert server.post("/predict/", content=DATA, headers=CSV).content == ANSWER


@pytest.mark.parametrize("worker_class", ["sync", "gevent"])
def test_other_gunicorn_worker_classes_answer(start_server, folder_of, worker_class):
    server = start_server(
        folder_of(PLAIN_MODEL),
        "--target-type",
        "regression",
        server_type="gunicorn",
        env={"DRUM_GUNICORN_WORKER_CLASS": worker_class},
    )
    for _ in range(3):
        assert server.post("/predict/", content=DATA, headers=CSV).content == ANSWER
    assert server.stop() == 0


FORKING_MODEL = """
import multiprocessing
import pandas as pd


def double(value):
    return value * 2.0


def load_model(code_dir):
    return "model"


def score(data, model, **kwargs):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pd.DataFrame({"Predictions": pool.map(double, list(data["a"]))})
"""


def test_hook_may_use_a_pool_of_processes(start_server, server_type, folder_of):
    server = start_server(
        folder_of(FORKING_MODEL), "--target-type", "regression", server_type=server_type
    )
    for _ in range(10):
        assert server.post("/predict/", content=DATA, headers=CSV).content == ANSWER
    assert server.stop() == (130 if server_type == "flask" else 0)
    assert server.log.count("Ctrl+C pressed") == (1 if server_type == "flask" else 0)


@pytest.mark.parametrize("server_type", ["gunicorn", "fastapi"])
def test_extension_that_exits_ends_the_start_once(start_server, server_type, folder_of):
    code_dir = folder_of(PLAIN_MODEL)
    name = {"gunicorn": "custom_flask", "fastapi": "custom_fastapi"}[server_type]
    (code_dir / f"{name}.py").write_text("import sys\n\n\ndef init_app(app):\n    sys.exit(5)\n")
    server = start_server(
        code_dir, "--target-type", "regression", server_type=server_type, wait=False
    )
    assert server.process.wait(60) == 3
    assert "Failed to extend" in server.log
