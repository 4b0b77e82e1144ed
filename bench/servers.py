"""Start and stop the servers that are compared, each in a process tree of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from measure import process_tree
from paths import BENCH, CEILING, PEERS, RESULTS, body_file, model_folder
from peers import WORK, Launch, launch_of_peer

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
HOST = "127.0.0.1"
READY_SECONDS = 60
#: some peers need longer
PEER_READY_SECONDS = 120
STOP_SECONDS = 15


class StartError(SystemExit):
    """A server did not become ready; ends the program unless it is caught."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    model: str
    port: int
    pid: int
    path: str = "/predict/"
    #: that of its requests: `csv`, or one of `FORMS`
    form: str = "csv"
    #: from its start to its first prediction, in seconds
    start_up: float = 0.0

    @property
    def url(self) -> str:
        """Where predictions are asked for."""
        return f"http://{HOST}:{self.port}{self.path}"

    @property
    def content_type(self) -> str:
        """That of its requests."""
        return "text/csv" if self.form == "csv" else "application/json"

    def body(self, rows: int) -> Path:
        """The request with that many rows, in its form."""
        return body_file(rows, self.form)

    def processes(self) -> list[psutil.Process]:
        """The server's process tree."""
        return process_tree(self.pid)

    def post(self, body: bytes, timeout: float = 60) -> tuple[int, bytes]:
        """Ask for predictions once: status and answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            connection.request("POST", self.path, body, {"Content-Type": self.content_type})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


def drum() -> str:
    """The `drum` command of the environment that runs the benchmark."""
    return str(Path(sys.executable).with_name("drum"))


def exit_on_sigterm() -> None:
    """Let SIGTERM unwind the stack, so that a benchmark that is ended leaves no servers behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def launch_of(name: str, model: str, port: int) -> Launch:
    """How a server type, the ceiling or a peer serves a benchmark model."""
    if name in PEERS:
        return launch_of_peer(name, model, port, free_port)
    return Launch(start_command(name, model, port), "/predict/", "csv", {})


def start_command(name: str, model: str, port: int) -> list[str]:
    """The command that serves a benchmark model with a server type or with the ceiling."""
    place = ["--code-dir", str(model_folder(model)), "--address", f"{HOST}:{port}"]
    if name == CEILING:
        return [sys.executable, str(BENCH / "ceiling.py"), *place]
    return [drum(), "server", "--server-type", name, "--target-type", "regression", *place]


def launch(
    command: Sequence[str],
    log: Path,
    more: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process with one computing thread and its output in a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **ONE_THREAD, **(more or {})}
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that `launch` started: politely, then with everything it started."""
    family = process_tree(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for survivor in family:
        if survivor.is_running():
            survivor.kill()


def _answers(server: Server, body: bytes) -> bool:
    try:
        return server.post(body)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def wait_ready(server: Server, process: subprocess.Popen[bytes], log: Path, body: bytes) -> None:
    """Return when the server predicts; SystemExit with the end of its log when it does not."""
    patience = PEER_READY_SECONDS if server.name in PEERS else READY_SECONDS
    end = time.perf_counter() + patience
    while not _answers(server, body):
        if process.poll() is not None or time.perf_counter() > end:
            tail = log.read_text(errors="replace")[-2000:]
            raise StartError(f"{server.name} ({server.model}) did not become ready:\n{tail}")
        time.sleep(0.1)


@contextmanager
def running(
    name: str, model: str, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server that answers predictions; it is stopped on leaving."""
    port = free_port()
    log = RESULTS / "logs" / f"{name}-{model}{f'-{port}' if environment else ''}.log"
    chosen = launch_of(name, model, port)
    begin = time.perf_counter()
    # peers leave files where they are started
    folder = WORK if name in PEERS else None
    process = launch(chosen.command, log, {**chosen.environment, **(environment or {})}, folder)
    try:
        server = Server(name, model, port, process.pid, chosen.path, chosen.form)
        wait_ready(server, process, log, server.body(1).read_bytes())
        yield replace(server, start_up=time.perf_counter() - begin)
    finally:
        stop(process)
