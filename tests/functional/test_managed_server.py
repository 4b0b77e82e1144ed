"""An inference server that `drum` starts itself: watched, restarted, and never left behind.

vLLM cannot run here; a program that is called as vLLM's would be, and speaks its protocol, does.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

STAND_IN = Path(__file__).resolve().parents[1] / "stand_ins" / "inference_server.py"
VLLM = ("--target-type", "textgeneration", "--gpu-predictor", "vllm", "--logging-level", "info")
TOKEN = "hf_secret_token"
#: each line is written when the hook runs
HOOKS = "def load_model(code_dir):\n    open(code_dir + '/downloads', 'a').write('x')\n"


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def program(tmp_path) -> Path:
    """The folder of a `python3` that is the stand-in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    (folder / "python3").chmod(0o755)
    return folder


@pytest.fixture
def code_dir(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "custom.py").write_text(HOOKS)
    return folder


@pytest.fixture
def start(start_server, program, code_dir, clients_path, free_port):
    """`start(server_type, *args, **environment)`: a server that starts the stand-in."""

    def make(server_type: str, *args: str, wait: bool = True, **environment: str):
        variables = {
            "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": clients_path,
            "TARGET_NAME": "reply",
            "OPENAI_HOST": "127.0.0.1",
            "OPENAI_PORT": str(free_port),
            "HF_TOKEN": TOKEN,
            "MLOPS_RUNTIME_PARAM_model": "some/model",
            "max_watchdog_backoff_sec": "0",
            **environment,
        }
        return start_server(
            code_dir, *VLLM, *args, server_type=server_type, env=variables, wait=wait
        )

    return make


def pid_of(server) -> int:
    """The process id of the stand-in, which is what it answers about its health."""
    return int(server.get("/health/").json()["message"])


def has_ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def chat(server) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": "hi"}]}
    return server.post("/chat/completions", json=body)


def test_server_is_started_and_ended(start, server_type, code_dir):
    server = start(server_type)
    pid = pid_of(server)
    answer = chat(server).json()
    assert answer["model"] == "datarobot-deployed-llm"
    assert answer["choices"][0]["message"]["content"] == "hi 0"
    assert (code_dir / "downloads").read_text() == "x"
    assert "vLLM: serving on" in server.log
    server.stop()
    wait_for(lambda: has_ended(pid), "the end of the inference server", 15)


@pytest.mark.parametrize("server_type", ["gunicorn", "fastapi"])
def test_workers_that_are_replaced_do_not_end_it(start, server_type):
    server = start(server_type, DRUM_GUNICORN_MAX_REQUESTS="3")
    first = pid_of(server)
    for _ in range(5):
        assert chat(server).status_code == 200
    assert pid_of(server) == first
    assert server.log.count("workers are not replaced after 3 requests") == 1


def test_token_is_in_the_environment_only(start):
    server = start("fastapi")
    process = psutil.Process(pid_of(server))
    assert process.environ()["HF_TOKEN"] == TOKEN
    command_lines = [process.cmdline(), *(item.cmdline() for item in process.parents())]
    assert TOKEN not in str(command_lines)
    assert TOKEN not in server.log


def test_server_that_dies_is_started_again(start, server_type):
    server = start(server_type)
    first = pid_of(server)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: server.is_ready() and pid_of(server) != first, "another inference server")
    assert chat(server).status_code == 200
    assert "restart 1 of 10" in server.log


def test_server_that_dies_too_often_ends_the_process(start, server_type):
    server = start(server_type, max_watchdog_restarts="0")
    os.kill(pid_of(server), signal.SIGKILL)
    assert server.process.wait(60) == 3
    assert "vLLM has crashed." in server.log


def test_error_server_tells_that_it_has_crashed(start, server_type):
    server = start(server_type, "--with-error-server", max_watchdog_restarts="0")
    os.kill(pid_of(server), signal.SIGKILL)
    wait_for(lambda: server.get("/health/").status_code == 513, "the news")
    for path in ("/", "/ping/", "/health/"):
        assert server.get(path).json() == {"message": "vLLM has crashed."}
    assert chat(server).status_code == 513
    assert server.get("/livez").status_code == 200


def test_server_that_cannot_be_started_ends_the_process(start, program):
    (program / "python3").write_text("#!/bin/sh\necho out of memory\nexit 9\n")
    server = start("gunicorn", max_watchdog_restarts="2", wait=False)
    assert server.process.wait(60) == 3
    assert "vLLM: out of memory" in server.log
    assert "restart 2 of 2" in server.log


def test_server_ends_when_its_worker_is_killed(start, server_type):
    server = start(server_type)
    pid = pid_of(server)
    worker = server.get("/stats/").json()["drum_info"][0]["pid"]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: has_ended(pid), "the end of the inference server", 15)


def test_one_of_several_workers_starts_the_server(start, code_dir):
    server = start("fastapi", "--max-workers", "2")
    workers: set[int] = set()
    pids: set[str] = set()

    def has_met_both() -> bool:
        # a connection of its own, or keep-alive would stay with one worker
        own = {"Connection": "close"}
        workers.add(server.get("/stats/", headers=own).json()["drum_info"][0]["pid"])
        reply = server.get("/health/", headers=own)
        pids.update({reply.json()["message"]} if reply.status_code == 200 else ())
        return len(workers) == 2 and (code_dir / "downloads").read_text() == "xx"

    wait_for(has_met_both, "both workers")
    assert len(pids) == 1
    assert server.log.count("started the vLLM server") == 1


def test_batch_waits_until_the_server_is_ready(
    run_drum, program, code_dir, clients_path, free_port, tmp_path
):
    (tmp_path / "rows.csv").write_text("promptText\nhi\nho\n")
    environment = {
        "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": clients_path,
        "TARGET_NAME": "reply",
        "OPENAI_HOST": "127.0.0.1",
        "OPENAI_PORT": str(free_port),
        "MLOPS_RUNTIME_PARAM_model": "some/model",
    }
    place = ("--code-dir", str(code_dir), "--input", str(tmp_path / "rows.csv"))
    done = run_drum("score", *place, *VLLM[:4], env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[1:3] == ["hi 0", "ho 0"]
    assert "vLLM: serving on" in done.stderr
