"""A disk that is full, a folder for temporary files that is gone, or no descriptor that is free.

The disk is full for one process: its limit of the size of files is what the kernel checks first.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer, ServerContext
from tests.operations.fronts import (
    ANSWER,
    CSV,
    DATA,
    FLASK,
    PRODUCTION,
    answering_worker,
    serving,
    wait_for,
    workers_of,
)

MODEL = """
import pandas as pd


def load_model(code_dir):
    return "model"


def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": data["a"] * 2.0})
"""
#: Twice as much as memory holds of a body.
LARGE = b"a,text\n" + b"".join(b"%d,%s\n" % (value, b"x" * 4_000_000) for value in (1, 2))
FORM = {"files": {"X": ("x.csv", LARGE)}}
RAW = {"content": LARGE, "headers": CSV}
#: The first piece of such a body is written, the rest is not.
ROOM = 6_000_000
#: Some more than there are descriptors for.
CONNECTIONS = 40
UNLIMITED = resource.RLIM_INFINITY


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@dataclass
class Server:
    """A server with a folder for temporary files of its own."""

    running: RunningServer
    temporary: Path

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """The process that answers can write no file longer than `ROOM`."""
        pid = answering_worker(self.running)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (ROOM, UNLIMITED))
        yield
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))

    @contextmanager
    def without_folder(self) -> Iterator[None]:
        """Somebody has cleaned up too much."""
        shutil.rmtree(self.temporary)
        yield
        self.temporary.mkdir()

    @contextmanager
    def no_descriptors(self) -> Iterator[None]:
        """The process that answers has no descriptor left for one more connection."""
        pid = answering_worker(self.running)
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + CONNECTIONS // 2, before[1]))
        with ExitStack() as connections:
            for _ in range(CONNECTIONS):
                address = ("127.0.0.1", self.running.port)
                connections.enter_context(socket.create_connection(address))
            wait_for(lambda: open_files(pid) >= used + CONNECTIONS // 2, "the last descriptor")
            yield
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    def predict(self, large: dict[str, object]) -> httpx.Response:
        return self.running.post("/predict/", **large)

    def serves_small_ones(self) -> bool:
        is_ready = self.running.get("/readyz").status_code == 200
        return is_ready and self.predict({"content": DATA, "headers": CSV}).content == ANSWER


@pytest.fixture(scope="module", params=[FLASK, PRODUCTION[0], PRODUCTION[-1]], ids=str)
def server(request, running_server: ServerContext, tmp_path_factory) -> Iterator[Server]:
    code_dir, temporary = tmp_path_factory.mktemp("model"), tmp_path_factory.mktemp("temporary")
    (code_dir / "custom.py").write_text(MODEL)
    with serving(running_server, request.param, code_dir, env={"TMPDIR": str(temporary)}) as server:
        yield Server(server, temporary)


@pytest.mark.parametrize(
    ("fault", "says"),
    [("full_disk", "File too large"), ("without_folder", "No such file or directory")],
)
@pytest.mark.parametrize("upload", [RAW, FORM], ids=["raw", "form"])
def test_upload_that_cannot_be_stored_is_503_and_others_are_served(server, fault, says, upload):
    with getattr(server, fault)():
        answer = server.predict(upload)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json()["message"] == (
            f"ERROR: cannot store the request body ({says}); try again later"
        )
        assert server.serves_small_ones()
    # its cause, where it happened
    assert says in server.running.log.rpartition("Traceback")[2]
    assert server.predict(upload).content == ANSWER
    queue = server.running.get("/stats/").json()["server"]["queue"]
    assert (queue["bytes_held"], queue["running"]) == (0, 0)
    assert list(server.temporary.iterdir()) == []


def test_worker_is_replaced_while_the_folder_is_gone(server):
    if not workers_of(server.running):
        pytest.skip("the development server is one process")
    killed = answering_worker(server.running)
    with server.without_folder():
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: server.running.is_ready("/readyz"), "the next worker")
        assert answering_worker(server.running) != killed
        assert server.serves_small_ones()


def test_worker_outlives_a_lack_of_descriptors(server):
    worker = answering_worker(server.running)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.running.port}") as kept:
        # libraries are imported with the first one
        kept.post("/predict/", content=DATA, headers=CSV)
        with server.no_descriptors():
            if workers_of(server.running):
                # those who are connected are served; the development server keeps nobody
                assert kept.post("/predict/", content=DATA, headers=CSV).content == ANSWER
    assert server.serves_small_ones()
    assert answering_worker(server.running) == worker
