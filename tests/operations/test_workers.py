"""Workers that are replaced, die or cannot start, and what they leave behind.

Row 4 of the conformance table: load failure, missing target type, schema failure, port in use: the
end within 15 s. Row 5 of the conformance table: recycle after 20 requests, 2 workers, 200
sequential requests; the development server has no workers, and says so.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.operations.fronts import (
    ANSWER,
    CSV,
    DATA,
    FLASK,
    PRODUCTION,
    Front,
    answering_worker,
    every_front,
    is_alive,
    production_front,
    serving,
    wait_for,
    workers_of,
)

MODEL = """
import pathlib, subprocess
import pandas as pd

HERE = pathlib.Path(__file__).parent


def load_model(code_dir):
    weights = (HERE / "weights").read_text()
    if weights == "with a child":
        child = subprocess.Popen(["sleep", "600"])
        (HERE / "child").write_text(str(child.pid))
    return weights


def score(data, model, **kwargs):
    if "replace" in data.columns:
        from datarobot_drum.drum.lifecycle import replace_worker

        replace_worker("the model asks for it")
    return pd.DataFrame({"Predictions": data["a"] * 2.0})
"""

TWO = ("--max-workers", "2")


@pytest.fixture
def code_dir(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "custom.py").write_text(MODEL)
    (folder / "weights").write_text("heavy")
    return folder


def child_of(code_dir: Path) -> int:
    return int((code_dir / "child").read_text())


@production_front
def test_recycling_loses_nothing(running_server, front, code_dir):
    env = {"DRUM_GUNICORN_MAX_REQUESTS": "20", "DRUM_GUNICORN_MAX_REQUESTS_JITTER": "5"}
    with serving(running_server, front, code_dir, *TWO, env=env) as server:
        first = workers_of(server)
        for _ in range(200):
            assert server.post("/predict/", content=DATA, headers=CSV).content == ANSWER
        # a kept connection may have had all of them answered by one worker after the other
        wait_for(lambda: first - workers_of(server), "another worker")
        wait_for(lambda: len(workers_of(server)) == 2, "the end of those that are replaced")


def test_development_server_says_that_it_has_no_workers_to_replace(running_server, code_dir):
    env = {"DRUM_GUNICORN_MAX_REQUESTS": "20"}
    with serving(running_server, FLASK, code_dir, *TWO, env=env) as server:
        worker = answering_worker(server)
        for _ in range(25):
            assert server.post("/predict/", content=DATA, headers=CSV).content == ANSWER
        assert answering_worker(server) == worker == server.process.pid
        assert "the flask server type runs in one process, not in 2 workers" in server.log
        assert "the flask server type is never replaced after 20 requests" in server.log


@pytest.mark.parametrize("front", [PRODUCTION[0], PRODUCTION[-1]], ids=str)
def test_killed_worker_is_replaced_and_nothing_outlives_the_killed(running_server, front, code_dir):
    (code_dir / "weights").write_text("with a child")
    with serving(running_server, front, code_dir) as server:
        worker, child = answering_worker(server), child_of(code_dir)
        assert is_alive(child)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: server.is_ready() and answering_worker(server) != worker, "the next one")
        wait_for(lambda: not is_alive(child), "the end of the child", 10)
        assert f"Worker (pid:{worker}) was killed (SIGKILL)" in server.log
        left = {answering_worker(server), child_of(code_dir)}
        server.process.kill()
        wait_for(lambda: not any(map(is_alive, left)), "the end of its processes", 10)


@pytest.mark.parametrize("front", [FLASK, PRODUCTION[-1]], ids=str)
def test_stopped_server_leaves_no_process(running_server, front, code_dir):
    (code_dir / "weights").write_text("with a child")
    with serving(running_server, front, code_dir) as server:
        server.process.terminate()
        assert server.process.wait(10) == front.interrupted
        assert not is_alive(child_of(code_dir))


@pytest.mark.parametrize("front", [FLASK, PRODUCTION[0], PRODUCTION[-1]], ids=str)
def test_worker_that_asks_for_it_is_drained_and_replaced(running_server, front, code_dir):
    with serving(running_server, front, code_dir) as server:
        worker = answering_worker(server)
        reply = server.post("/predict/", content=b"a,replace\n1,1\n2,1\n", headers=CSV)
        assert front is FLASK or reply.content == ANSWER
        if front is FLASK:
            assert server.process.wait(10) == 1
            return
        wait_for(lambda: server.is_ready() and answering_worker(server) != worker, "the next one")
        wait_for(lambda: not is_alive(worker), "the end of the first", 10)


@pytest.mark.parametrize("front", [PRODUCTION[-1]], ids=str)
def test_workers_that_can_no_longer_start_end_the_server_once(running_server, front, code_dir):
    with serving(running_server, front, code_dir) as server:
        (code_dir / "weights").unlink()
        began = time.monotonic()
        os.kill(answering_worker(server), signal.SIGKILL)
        assert server.process.wait(60) == 3
        # it was tried again, after a pause that grew
        assert server.log.count("Booting worker") == 4
        assert time.monotonic() - began > 3


@pytest.mark.parametrize(
    ("front", "args"), [(PRODUCTION[0], ()), (PRODUCTION[-1], ("--with-error-server",))], ids=str
)
def test_reload_of_a_broken_model_leaves_the_old_one_in_service(
    running_server, front, args, code_dir
):
    with serving(running_server, front, code_dir, *args) as server:
        worker = answering_worker(server)
        (code_dir / "weights").unlink()
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: server.log.count("exited with code 3") == 2, "two attempts", 20)
        assert answering_worker(server) == worker
        (code_dir / "weights").write_text("repaired")
        wait_for(lambda: answering_worker(server) != worker, "the next worker")
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("front", "what"),
    [(PRODUCTION[0], "os._exit(1)"), (PRODUCTION[-1], "os.kill(os.getpid(), 9)")],
    ids=str,
)
def test_worker_that_dies_while_it_starts_ends_the_server_once(
    running_server, front, code_dir, what
):
    (code_dir / "custom.py").write_text(f"import os\n\n{what}\n")
    with serving(running_server, front, code_dir, *TWO, wait=False) as server:
        assert server.process.wait(15) == 3
        assert server.log.count("Booting worker") == 2


BROKEN_SCHEMA = """
name: model
type: inference
targetType: regression
typeSchema:
  input_requirements:
    - {field: data_types, condition: EQUALS, value: NONSENSE}
"""


@every_front
def test_start_that_cannot_succeed_ends_once_and_says_why(
    running_server, front, code_dir, tmp_path
):
    broken = shutil.copytree(code_dir, tmp_path / "broken")
    (broken / "model-metadata.yaml").write_text(BROKEN_SCHEMA)
    failing = shutil.copytree(code_dir, tmp_path / "failing")
    (failing / "weights").unlink()
    target = ("--target-type", "regression")
    starts = [
        (running_server(failing, *target, **chosen(front)), 3, "weights"),
        (running_server(code_dir, **chosen(front)), 3, "Target type is missing"),
        (running_server(broken, *target, **chosen(front)), 1, "value of data_types is 'NONSENSE'"),
    ]
    began = time.monotonic()
    with ExitStack() as stack:
        servers = [(stack.enter_context(start), code, says) for start, code, says in starts]
        for server, code, says in servers:
            assert server.process.wait(15) == code
            assert says in server.log
            assert server.log.count("Booting worker") <= 1
    assert time.monotonic() - began < 15


def chosen(front: Front) -> dict[str, Any]:
    return {"server_type": front.server_type, "env": front.environment, "wait": False}


@every_front
def test_port_in_use_ends_the_start_quickly(running_server, front, code_dir):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        args = ("--address", address)
        began = time.monotonic()
        with serving(running_server, front, code_dir, *args, wait=False) as server:
            assert server.process.wait(15) == 1
            assert f"cannot listen on {address}" in server.log
        assert time.monotonic() - began < 5
