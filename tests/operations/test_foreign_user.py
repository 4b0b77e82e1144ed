"""A server of a user that the system does not know, who can write nowhere; its hooks in turn.

Row 17 of the conformance table: start as uid 12345, read-only root, home not writable. Row 9: two
overlapping requests into a model that asserts "not concurrent", at default settings. Only root
can take another user's id; anybody else's servers run under his own, in the same read-only root.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import DRUM, RunningServer, clean_environment, find_free_port
from tests.operations.fronts import ANSWER, CSV, DATA, every_front

UID = 12345
CLIENTS = 8
MODEL = """
import os, threading, time
import pandas as pd

busy = threading.Lock()


def load_model(code_dir):
    for folder in (code_dir, os.environ["HOME"], "/", "/tmp"):
        assert not os.access(folder, os.W_OK), folder
    return os.getuid()


def score(data, model, **kwargs):
    if not busy.acquire(blocking=False):
        raise RuntimeError("two hooks at once")
    try:
        time.sleep(0.02)
        return pd.DataFrame({"Predictions": data["a"] * 2.0})
    finally:
        busy.release()
"""
#: Every file system becomes read-only but the kernel's, then the command takes this one's place.
READ_ONLY = """
set -e
awk '{ print $2 }' /proc/mounts | grep -v -e "^/proc" -e "^/dev" -e "^/sys" | while read -r place
do mount -o remount,bind,ro "$place" || true
done
exec "$@"
"""
# files of the checkout may be for root only: reading is allowed, writing is not
AS_STRANGER = (
    *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
    "--bounding-set=-all,+dac_read_search",
)


def confined(command: list[str]) -> list[str]:
    is_root = os.getuid() == 0
    names = ["unshare", "--mount"] if is_root else ["unshare", "--user", "--mount", "-r"]
    user = AS_STRANGER if is_root else ()
    return [*names, "sh", "-c", READ_ONLY, "sh", *user, *command]


@contextmanager
def strangers_server(front, code_dir: Path, log_path: Path) -> Iterator[RunningServer]:
    port = find_free_port()
    place = ["--code-dir", str(code_dir), "--address", f"127.0.0.1:{port}"]
    options = ["--target-type", "regression", "--server-type", front.server_type]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            confined([*DRUM, "server", *place, *options]),
            env=clean_environment(code_dir, {**front.environment, "HOME": str(code_dir)}),
            cwd=code_dir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = RunningServer(process, port, log_path)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "custom.py").write_text(MODEL)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


@every_front
def test_stranger_s_server_answers_requests_in_turn(front, readable_folder, tmp_path):
    barrier = threading.Barrier(CLIENTS)

    def predict(server: RunningServer) -> bytes:
        barrier.wait(30)
        return server.post("/predict/", content=DATA, headers=CSV).content

    with (
        strangers_server(front, readable_folder, tmp_path / "log") as server,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        assert list(pool.map(predict, [server] * CLIENTS)) == [ANSWER] * CLIENTS
        process = Path(f"/proc/{server.process.pid}/status").read_text()
        expected = UID if os.getuid() == 0 else os.getuid()
        assert f"Uid:\t{expected}\t" in process
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == front.interrupted
