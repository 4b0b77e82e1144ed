"""The process of an inference server, without a server around it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psutil
import pytest

from datarobot_drum.drum import guard
from datarobot_drum.drum.errors import StartupError, UpstreamCrashed
from datarobot_drum.drum.predictors.inference.managed import (
    ManagedServer,
    RestartRules,
    file_lock,
)

PATIENCE = 30
#: writes its process id, and then does what the test says
PROGRAM = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
with (folder / "pids").open("a") as file:
    file.write(f"{os.getpid()}\\n")
print("hello from", os.environ["WHO"], flush=True)
if sys.argv[2] == "exit":
    sys.exit(9)
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
(folder / "ready").touch()
if sys.argv[2] == "die ready":
    sys.exit(9)
while True:
    time.sleep(0.05)
"""

Make = Callable[..., ManagedServer]


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.01)


@pytest.fixture
def make(tmp_path) -> Iterator[Make]:
    servers = []

    def managed(behaviour="stay", restarts=0, healthy_time=3600.0, **more: Any) -> ManagedServer:
        arguments = more.pop("arguments", (sys.executable, "-c", PROGRAM, str(tmp_path), behaviour))
        server = ManagedServer(
            "stand-in",
            arguments,
            {"WHO": "the test"},
            RestartRules(restarts, 0, healthy_time),
            lambda: (tmp_path / "ready").exists(),
            f"test-{os.getpid()}-{tmp_path.name}",
            **more,
        )
        servers.append(server)
        return server

    yield managed
    for server in servers:
        server.stop()


def pids(tmp_path) -> list[int]:
    path = tmp_path / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("restarts", "pause"), [(0, 2), (1, 4), (2, 16), (3, 256), (4, 300), (5000, 300)]
)
def test_pause_before_a_restart_grows_up_to_its_limit(restarts, pause):
    assert RestartRules(10, 300).backoff(restarts) == pause


def test_pause_may_be_none():
    assert RestartRules(10, 0).backoff(0) == 0


def test_server_runs_until_it_is_stopped(make, tmp_path, caplog):
    told = []
    server = make(on_ready=lambda: told.append("ready"))
    server.start()
    server.wait_until_ready()
    wait_for(lambda: told, "the news")
    (pid,) = pids(tmp_path)
    server.stop()
    assert is_gone(pid)
    assert "stand-in: hello from the test" in caplog.text


def test_server_that_ignores_sigterm_is_killed(make, tmp_path):
    server = make("stubborn")
    server.start()
    server.wait_until_ready()
    (pid,) = pids(tmp_path)
    server.stop()
    wait_for(lambda: is_gone(pid), "its end")


def test_server_that_dies_is_started_again_and_then_given_up(make, tmp_path):
    failures: list[Any] = []
    server = make("exit", restarts=2)
    server.when_failed(failures.append)
    server.start()
    wait_for(lambda: failures, "the failure")
    assert isinstance(failures[0], UpstreamCrashed)
    assert str(failures[0]) == "stand-in has crashed."
    assert len(pids(tmp_path)) == 3
    with pytest.raises(UpstreamCrashed):
        server.wait_until_ready()


def test_server_that_was_healthy_for_long_may_die_as_often_again(make, tmp_path, caplog):
    caplog.set_level("INFO")
    server = make(restarts=1, healthy_time=0)
    server.start()
    for count in (1, 2, 3):
        wait_for(partial(has_begun, tmp_path, caplog, count), "the server")
        os.kill(pids(tmp_path)[-1], signal.SIGKILL)
        wait_for(partial(is_told, caplog, "restart 1 of 1", count), "the news")


def has_begun(tmp_path, caplog, count: int) -> bool:
    return len(pids(tmp_path)) == count and is_told(caplog, "server is ready", count)


def is_told(caplog, words: str, count: int) -> bool:
    times: int = caplog.text.count(words)
    return times == count


@pytest.mark.parametrize("behaviour", ["exit", "die ready"])
def test_server_that_was_not_healthy_for_long_may_not(make, tmp_path, behaviour):
    server = make(behaviour, restarts=1, healthy_time=0 if behaviour == "exit" else 3600)
    failures: list[Any] = []
    server.when_failed(failures.append)
    server.start()
    wait_for(lambda: failures, "the failure")
    assert len(pids(tmp_path)) == 2


def test_failure_is_told_to_those_who_ask_later(make):
    server = make("exit")
    server.start()
    with pytest.raises(UpstreamCrashed):
        server.wait_until_ready()
    failures: list[Any] = []
    server.when_failed(failures.append)
    assert len(failures) == 1


def test_program_that_is_not_there_is_a_failure(make, caplog):
    server = make(arguments=("/no/such/program",))
    server.start()
    with pytest.raises(UpstreamCrashed):
        server.wait_until_ready()
    assert "cannot start /no/such/program" in caplog.text
    assert f"exit code {guard.CANNOT_START}" in caplog.text


def test_guard_that_cannot_be_started_is_a_failure(make, monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    failures: list[Any] = []
    server = make(arguments=("/bin/true",))
    server.when_failed(failures.append)
    server.start()
    wait_for(lambda: failures, "the failure")
    assert isinstance(failures[0], UpstreamCrashed)
    assert "cannot watch the stand-in server" in caplog.text


def test_server_that_cannot_be_watched_is_ended(make, tmp_path, monkeypatch, caplog):
    start = guard.start

    def start_the_last(*args):
        process = start(*args)
        wait_for(lambda: pids(tmp_path), "the server")
        monkeypatch.setattr(threading.Thread, "start", None)
        return process

    monkeypatch.setattr(guard, "start", start_the_last)
    server = make()
    server.start()
    wait_for(lambda: "cannot watch the stand-in server" in caplog.text, "the news")
    wait_for(lambda: is_gone(pids(tmp_path)[0]), "its end")


def test_lock_that_cannot_be_opened_ends_the_start(make, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(StartupError, match=f"cannot open {tmp_path}/missing/.*; set TMPDIR"):
        make().start()
    with pytest.raises(StartupError, match="set TMPDIR"), file_lock("x"):
        pass


def test_one_of_two_owns_the_server_and_the_other_takes_over(make, tmp_path):
    first, second = make(), make()
    first.start()
    first.wait_until_ready()
    second.start()
    time.sleep(0.7)
    assert len(pids(tmp_path)) == 1
    first.stop()
    wait_for(lambda: len(pids(tmp_path)) == 2, "the second server")


def test_server_ends_when_its_guard_is_killed(make, tmp_path):
    server = make(restarts=0)
    server.start()
    server.wait_until_ready()
    (pid,) = pids(tmp_path)
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    wait_for(lambda: is_gone(pid), "its end")


def test_stop_before_the_start_starts_nothing(make, tmp_path):
    server = make()
    server.stop()
    server.start()
    time.sleep(0.2)
    assert pids(tmp_path) == []


def test_file_lock_lets_one_at_a_time_in():
    order: list[str] = []
    inside = threading.Event()

    def other() -> None:
        inside.wait(PATIENCE)
        with file_lock(f"test-{os.getpid()}"):
            order.append("second")

    thread = threading.Thread(target=other)
    thread.start()
    with file_lock(f"test-{os.getpid()}"):
        inside.set()
        time.sleep(0.1)
        order.append("first")
    thread.join(PATIENCE)
    assert order == ["first", "second"]
