"""Row 11 of the conformance table: what a hook prints is visible within 2 s, idle and under load.

Python's unbuffered mode is off, and stdout is no terminal. Texts have no line end where it is not
said otherwise: what has one is easier.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.conftest import DRUM, RunningServer, ServerContext, clean_environment
from tests.operations.fronts import FLASK, PRODUCTION, Front, serving, wait_for
from tests.operations.load import Load

FRONTS = (FLASK, *PRODUCTION)
VISIBLE_AFTER = 2.0

MODEL = """
import os, sys, threading, time
import pandas as pd


def load_model(code_dir):
    return code_dir


def say(text, end=""):
    print(f"{text} at {time.time()} ", end=end)


def wait_until(path):
    while not os.path.exists(path):
        time.sleep(0.01)


def print_in_a_way(way, text, seen):
    if way == "ended":
        say(text)
    elif way == "running":
        say(text)
        wait_until(seen)
    elif way == "thread":
        threading.Timer(0.2, say, [text]).start()
    elif way == "closed":
        sys.stdout.close()
        say(text)
    elif way == "replaced":
        before, sys.stdout = sys.stdout, open(os.dup(1), "w")
        say(text, "\\n")
        wait_until(seen)
        sys.stdout = before
    elif way == "much":
        print(text * 100_000)


def score(data, model, **kwargs):
    if "way" in data.columns:
        print_in_a_way(*data.loc[0, ["way", "text", "seen"]])
    return pd.DataFrame({"answer": ["yes"] * len(data)})


class Chunk:
    object = "chat.completion.chunk"

    def to_json(self, indent=None):
        return "{}"


def chat(params, model):
    yield Chunk()
    say(params["text"])
    wait_until(params["seen"])
    yield Chunk()
"""
TARGET = {"TARGET_NAME": "answer"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "custom.py").write_text(MODEL)
    return folder


@pytest.fixture(scope="module")
def servers(running_server: ServerContext, model: Path) -> Iterator[dict[Front, RunningServer]]:
    """One of each front, started at the same time."""
    with ExitStack() as stack:
        found = {
            front: stack.enter_context(
                serving(
                    running_server,
                    front,
                    model,
                    env=TARGET,
                    target_type="textgeneration",
                    wait=False,
                )
            )
            for front in FRONTS
        }
        for server in found.values():
            server.wait_until_ready()
        yield found


@pytest.fixture(params=FRONTS, ids=str)
def server(request: pytest.FixtureRequest, servers: dict[Front, RunningServer]) -> RunningServer:
    """Each in turn."""
    return servers[request.param]


class Print:
    """A text that is told from all others, and the file that tells the hook that it was seen."""

    def __init__(self, folder: Path) -> None:
        self.text = secrets.token_hex(8)
        self.seen = folder / "seen"

    def request(self, server: RunningServer, way: str) -> None:
        """Have a hook print it."""
        if way == "stream":
            asked = {"messages": [], "stream": True, "text": self.text, "seen": str(self.seen)}
            reply = server.post("/chat/completions", json=asked)
        else:
            data = f"way,text,seen\n{way},{self.text},{self.seen}\n"
            reply = server.post("/predict/", content=data, headers={"Content-Type": "text/csv"})
        assert reply.status_code == 200

    def seconds_until_seen(self, server: RunningServer) -> float:
        """From the print until it was in the log."""
        pattern = re.compile(rf"{self.text} at ([\d.]+) ")
        wait_for(lambda: pattern.search(server.log), f"the print {self.text}", 20)
        seconds = time.time() - float(pattern.findall(server.log)[0])
        self.seen.touch()
        return seconds


def seconds_until_seen(server: RunningServer, way: str, folder: Path) -> float:
    """How long a print stays unseen, whose hook may wait until then."""
    printed = Print(folder)
    client = threading.Thread(target=printed.request, args=(server, way))
    client.start()
    try:
        return printed.seconds_until_seen(server)
    finally:
        printed.seen.touch()
        client.join(30)


@pytest.mark.parametrize("way", ["ended", "running", "thread", "stream", "closed", "replaced"])
def test_print_is_visible_on_an_idle_server(
    way: str, server: RunningServer, tmp_path: Path
) -> None:
    assert seconds_until_seen(server, way, tmp_path) <= VISIBLE_AFTER


def test_print_is_visible_under_steady_load(server: RunningServer, tmp_path: Path) -> None:
    with Load(server.port, clients=1, keeps_alive=False) as load:
        load.wait_for_answers(5)
        assert seconds_until_seen(server, "running", tmp_path) <= VISIBLE_AFTER
    assert not load.tally.lost


@contextlib.contextmanager
def piped_server(model: Path, home: Path, port: int) -> Iterator[tuple[RunningServer, int]]:
    """A server whose stdout is a pipe, and the end of it that reads."""
    reader, writer = os.pipe()
    with (home / f"server-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(*DRUM, "server", "--code-dir", str(model), "--server-type", "fastapi"),
                *("--address", f"127.0.0.1:{port}", "--target-type", "textgeneration"),
            ],
            env=clean_environment(home, TARGET),
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=log,
            start_new_session=True,
        )
    os.close(writer)
    server = RunningServer(process, port, home / f"server-{port}.log")
    try:
        server.wait_until_ready()
        yield server, reader
    finally:
        server.stop()


def test_reader_of_stdout_that_stalls_or_leaves_stops_no_request(
    model: Path, home: Path, free_port: int, tmp_path: Path
) -> None:
    printed = Print(tmp_path)
    with piped_server(model, home, free_port) as (server, reader):
        printed.request(server, "much")
        shown = b""
        while shown.count(printed.text.encode()) < 100_000:
            shown += os.read(reader, 1 << 20)
        printed.request(server, "much")
        os.close(reader)
        for _ in range(3):
            printed.request(server, "much")
        wait_for(lambda: "prints are lost from now on" in server.log, "the warning")
