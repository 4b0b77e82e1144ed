"""The watchdog ends a server that no longer answers, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial

import psutil
import pytest

MODEL = """
import pathlib, subprocess, sys
import pandas as pd


def load_model(code_dir):
    # a child of the model's own, in a session of its own
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path(code_dir, "child").write_text(str(child.pid))
    return "model"


def score(data, model, **kwargs):
    import time
    time.sleep(1)
    return pd.DataFrame({"Predictions": data["a"] * 2.0})
"""
WATCHED = {
    "USE_NIM_WATCHDOG": "true",
    "NIM_WATCHDOG_PERIOD": "0.1",
    "NIM_WATCHDOG_REQUEST_TIMEOUT": "0.5",
    "NIM_WATCHDOG_MAX_ATTEMPTS": "2",
    "DRUM_UVICORN_GRACEFUL_TIMEOUT": "1",
    "URL_PREFIX": "/models/a",
}


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def server(start_server, server_type, tmp_path):
    (tmp_path / "custom.py").write_text(MODEL)
    options = {"server_type": server_type, "env": WATCHED, "wait": False}
    server = start_server(tmp_path, "--target-type", "regression", **options)
    server.wait_until_ready("/models/a/health/")
    return server


def watchdog_of(server) -> psutil.Process:
    children = psutil.Process(server.process.pid).children()
    (found,) = [item for item in children if "datarobot_drum.drum.watchdog" in item.cmdline()]
    return found


def test_server_that_hangs_is_ended_with_all_it_has_started(server, tmp_path):
    worker = server.get("/models/a/stats/").json()["drum_info"][0]["pid"]
    child = int((tmp_path / "child").read_text())
    watchdog = watchdog_of(server)
    # after its first answer, or it would take it for a server that is still starting
    time.sleep(0.5)
    os.kill(worker, signal.SIGSTOP)
    assert server.process.wait(60) != 3
    for pid in (worker, child, watchdog.pid):
        wait_for(partial(is_zombie, pid), f"the end of {pid}")
    assert "the server is ended" in server.log


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_server_that_answers_is_left_alone_even_while_it_predicts(server):
    for _ in range(2):
        reply = server.post(
            "/models/a/predict/", content=b"a\n1\n", headers={"Content-Type": "text/csv"}
        )
        assert reply.json() == {"predictions": [2.0]}
    assert watchdog_of(server).is_running()
    assert server.process.poll() is None


def test_watchdog_ends_with_the_server(server):
    watchdog = watchdog_of(server)
    time.sleep(0.5)
    server.process.terminate()
    server.process.wait(30)
    wait_for(lambda: not watchdog.is_running() or is_zombie(watchdog.pid), "its end", 15)
    assert "is ended" not in server.log


def test_server_has_no_watchdog_unless_asked(start_server, tmp_path):
    (tmp_path / "custom.py").write_text(MODEL)
    server = start_server(tmp_path, "--target-type", "regression", server_type="flask")
    children = psutil.Process(server.process.pid).children()
    assert [item for item in children if "datarobot_drum.drum.watchdog" in item.cmdline()] == []
