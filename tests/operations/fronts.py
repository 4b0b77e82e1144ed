"""The servers that an operator can choose: three types, and Gunicorn's classes of workers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, ServerContext

CSV = {"Content-Type": "text/csv"}
DATA = b"a\n1\n2\n"
ANSWER = b'{"predictions":[2.0,4.0]}'


@dataclass(frozen=True)
class Front:
    """One of them, with the exit code of a server that SIGTERM or SIGINT ends."""

    name: str
    server_type: str
    worker_class: str = ""
    interrupted: int = 0

    def __str__(self) -> str:
        return self.name

    @property
    def environment(self) -> dict[str, str]:
        """What chooses it, besides its server type."""
        return {"DRUM_GUNICORN_WORKER_CLASS": self.worker_class} if self.worker_class else {}


FLASK = Front("flask", "flask", interrupted=130)
SYNC = Front("gunicorn-sync", "gunicorn", "sync")
PRODUCTION = (
    Front("gunicorn", "gunicorn"),
    SYNC,
    Front("gunicorn-gevent", "gunicorn", "gevent"),
    Front("fastapi", "fastapi"),
)
every_front = pytest.mark.parametrize("front", (FLASK, *PRODUCTION), ids=str)
production_front = pytest.mark.parametrize("front", PRODUCTION, ids=str)


@contextmanager
def serving(
    running_server: ServerContext,
    front: Front,
    code_dir: Path,
    *args: str,
    env: dict[str, str] | None = None,
    target_type: str = "regression",
    **options: Any,
) -> Iterator[RunningServer]:
    """`running_server` for a front."""
    with running_server(
        code_dir,
        "--target-type",
        target_type,
        *args,
        server_type=front.server_type,
        env={**front.environment, **(env or {})},
        **options,
    ) as server:
        yield server


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Poll until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Does a process of that id run? One that has ended and waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def workers_of(server: RunningServer) -> set[int]:
    """The children of the started process that serve, by their process ids."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children}


def answering_worker(server: RunningServer) -> int:
    """The process id of a worker that answers."""
    # a connection of its own, or keep-alive would stay with one worker
    reply = server.get("/stats/", headers={"Connection": "close"})
    pid: int = reply.json()["drum_info"][0]["pid"]
    return pid


class Gates:
    """Files that a model waits for (`open`), or makes when it waits (`reached`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def open(self, name: str) -> None:
        """Let the model pass."""
        (self.folder / f"{name}.open").touch()

    def wait_until_reached(self, name: str) -> None:
        """Return when the model waits there."""
        wait_for(Path(self.folder, f"{name}.reached").exists, f"the gate {name}")

    @property
    def environment(self) -> dict[str, str]:
        """What tells the model of it."""
        return {"GATES": os.fspath(self.folder)}


#: Waits where it is told to; `DRUM_TEST_LOAD_GATE` lets it wait while it loads.
GATED_MODEL = """
import json, os, pathlib, time

FOLDER = pathlib.Path(os.environ["GATES"])


def pass_gate(name):
    (FOLDER / f"{name}.reached").touch()
    while not (FOLDER / f"{name}.open").exists():
        time.sleep(0.01)


class Chunk:
    object = "chat.completion.chunk"

    def __init__(self, text):
        self.text = text

    def to_json(self, indent=None):
        return json.dumps({"object": self.object, "text": self.text})


def load_model(code_dir):
    if "DRUM_TEST_LOAD_GATE" in os.environ:
        pass_gate("load")
    return "model"


def chat(params, model, **kwargs):
    gate = params["messages"][0]["content"]
    yield Chunk("first")
    pass_gate(gate)
    yield Chunk("second")


def score(data, model, **kwargs):
    import pandas as pd

    return pd.DataFrame({"t": [str(value * 2) for value in data["a"]]})
"""
