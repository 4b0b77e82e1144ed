"""What the watchdog makes of answers and silence, and of the settings."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from datarobot_drum.drum import watchdog
from datarobot_drum.drum.settings import ModelSpec, ServeSpec, Settings
from datarobot_drum.drum.watchdog import Sign, Watch

QUICK = Watch(
    parent=os.getppid(),
    host="127.0.0.1",
    port=1,
    path="/info/",
    uses_tls=False,
    period=0.01,
    timeout=0.2,
    max_attempts=2,
    patience=5,
    graceful_timeout=0,
)


def watch_of(host: str = "127.0.0.1", **environ: str) -> Watch:
    return Watch.of(ServeSpec(ModelSpec("/m"), host=host, port=8080), Settings.load(environ))


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A socket that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def to(listener: socket.socket, **more: Any) -> Watch:
    return dataclasses.replace(QUICK, port=listener.getsockname()[1], **more)


def answer(listener: socket.socket, data: bytes) -> threading.Thread:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("host", "asked"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("localhost", "localhost"), ("10.0.0.1", "10.0.0.1")],
)
def test_server_is_asked_on_an_address_that_it_listens_on(host, asked):
    assert watch_of(host).host == asked


def test_settings_decide_the_rest():
    watch = watch_of(
        URL_PREFIX="a",
        TEST_URL_HOST="other",
        NIM_WATCHDOG_REQUEST_TIMEOUT="7",
        NIM_WATCHDOG_MAX_ATTEMPTS="5",
    )
    assert (watch.path, watch.host, watch.timeout) == ("/a/info/", "other", 7)
    assert (watch.period, watch.max_attempts, watch.parent) == (10, 5, os.getpid())


@pytest.mark.parametrize(
    ("data", "sign"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Sign.ANSWER),
        (b"HTTP/1.1 513 No\r\nContent-Length: 0\r\n\r\n", Sign.ANSWER),
        (b"not HTTP at all\r\n\r\n", Sign.SILENCE),
    ],
)
def test_any_answer_is_a_sign_of_life(silent, data, sign):
    thread = answer(silent, data)
    assert watchdog.ask(to(silent)) is sign
    thread.join(5)


def test_silence_is_none(silent):
    assert watchdog.ask(to(silent)) is Sign.SILENCE


def test_refused_connection_is_a_server_that_stops(free_port):
    assert watchdog.ask(dataclasses.replace(QUICK, port=free_port)) is Sign.CLOSED


def test_failed_handshake_is_a_sign_of_life(silent):
    thread = answer(silent, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert watchdog.ask(to(silent, uses_tls=True)) is Sign.ANSWER
    thread.join(5)


def test_watch_ends_with_the_parent():
    watchdog.run(dataclasses.replace(QUICK, parent=os.getpid()))


def run_beside(listener: socket.socket, **more: Any) -> subprocess.Popen[bytes]:
    """A process that is watched, and that has started the watchdog as `drum` does."""
    code = (
        "import dataclasses, json, os, subprocess, sys, time\n"
        "watch = {**json.loads(sys.argv[1]), 'parent': os.getpid()}\n"
        "module = 'datarobot_drum.drum.watchdog'\n"
        "subprocess.Popen([sys.executable, '-P', '-m', module, json.dumps(watch)])\n"
        "time.sleep(600)\n"
    )
    told = json.dumps(dataclasses.asdict(to(listener, **more)))
    return subprocess.Popen([sys.executable, "-c", code, told], stderr=subprocess.PIPE)


@pytest.mark.parametrize("closes", [False, True])
def test_server_that_answered_once_and_then_no_more_is_ended(silent, closes):
    process = run_beside(silent)
    answer(silent, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").join(30)
    if not closes:
        assert process.wait(30) == -15
    else:
        silent.close()
        # a server that closed its socket may finish its requests first
        time.sleep(1)
        assert process.poll() is None
        process.kill()
    process.wait(10)
    assert process.stderr is not None
    process.stderr.close()


def test_server_that_never_answered_is_left_alone(silent):
    process = run_beside(silent)
    time.sleep(1.5)
    assert process.poll() is None
    process.kill()
    process.wait(10)
    assert process.stderr is not None
    process.stderr.close()
