"""A server under test: started as a process of its own, awaited, and surely stopped."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx

from datarobot_drum.drum import guard
from datarobot_drum.drum.errors import DrumError

DRUM = "datarobot_drum.drum.entry_point"
HOST = "127.0.0.1"
POLL_SECONDS = 0.05
#: So much of what the server writes is kept, to be shown when it fails.
LOG_LINES = 100
SHOWN_LINES = 15

#: How a log record begins: with the time, or as one of gunicorn; and such a record of an error.
RECORD = re.compile(r"\[?\d{4}-\d\d-\d\d ")
ERROR = re.compile(r"\d{4}-\d\d-\d\d \S+ (?:ERROR|CRITICAL) \S+:  ")

NOT_STARTED = "Error: server failed to start while running performance testing."

#: Stand-ins of options that a test must not take over: they would hide a failed start, or report
#: the test's predictions as if they were real ones.
DROPPED = ("WITH_ERROR_SERVER", "MONITOR", "MLOPS_REPORTING_FROM_UNSTRUCTURED_MODELS", "ADDRESS")

_HANDED_ON = (
    "target_type",
    "positive_class_label",
    "negative_class_label",
    "language",
    "runtime_params_file",
)


class Server:
    """A server that answers, ours or one that already runs."""

    def __init__(self, base: str, process: ServerProcess | None = None) -> None:
        self.base = base
        self.process = process
        # a server of our own is on this machine, its certificate may be for another name
        self._client = httpx.Client(trust_env=False, verify=process is None, timeout=30)

    def facts(self, path: str) -> dict[str, Any]:
        """The JSON of a status route; empty when there is none."""
        try:
            reply = self._client.get(f"{self.base}{path}")
            facts = reply.json() if reply.is_success else {}
        except (httpx.HTTPError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def is_ready(self) -> bool:
        """Does it welcome requests?"""
        try:
            return self._client.get(f"{self.base}/readyz").is_success
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Close the connection to the status routes."""
        self._client.close()


class ServerProcess:
    """The process of a server, behind a guard that outlives this process just long enough."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], *, show: bool) -> None:
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._show = show
        self._process = guard.start(list(command), dict(environ))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The guard; the server and its workers are below it."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Did the server end by itself?"""
        return self._process.poll() is not None

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.log.append(line.rstrip("\n"))
            if self._show:
                sys.stderr.write(line)

    def stop(self) -> None:
        """End the server and all that it started."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(guard.PATIENCE + 5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(1)


def server_command(
    args: Namespace, server_type: str | None, port: int, labels_file: str | None = None
) -> list[str]:
    """The `drum server` that serves what the command line of the test describes."""
    words = ["--code-dir", args.code_dir, "--address", f"{HOST}:{port}", "--show-perf"]
    words += ["--logging-level", "warning"]
    for name in _HANDED_ON:
        if (value := getattr(args, name)) is not None:
            words.append(f"--{name.replace('_', '-')}={value}")
    if labels_file is not None:
        words.append(f"--class-labels-file={labels_file}")
    if args.max_workers:
        words.append(f"--max-workers={args.max_workers}")
    if server_type is not None:
        words.append(f"--server-type={server_type}")
    return [sys.executable, "-P", "-m", DRUM, "server", *words]


@contextmanager
def labels_in_a_file(args: Namespace) -> Iterator[str | None]:
    """A temporary file with the class labels: as words, one with a dash would be an option."""
    labels = args.class_labels or args.class_labels_file
    if not labels:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="drum_perf_test_") as folder:
        path = Path(folder, "labels.txt")
        path.write_bytes(os.fsencode("\n".join(labels) + "\n"))
        yield str(path)


@contextmanager
def started(
    args: Namespace, server_type: str | None, scheme: str, prefix: str
) -> Iterator[tuple[Server, float]]:
    """A server on a free port that is ready, and how long it took; stopped on leaving."""
    port = _free_port()
    environ = {name: text for name, text in os.environ.items() if name not in DROPPED}
    with labels_in_a_file(args) as labels:
        command = server_command(args, server_type, port, labels)
        if args.verbose:
            sys.stdout.write(f"Running: {' '.join(command)}\n")
            sys.stdout.flush()
        begin = time.monotonic()
        process = ServerProcess(command, environ, show=args.verbose)
        server = Server(f"{scheme}://{HOST}:{port}{prefix}", process)
        try:
            _wait(server, process, begin + args.timeout)
            yield server, time.monotonic() - begin
        finally:
            server.close()
            process.stop()


def _wait(server: Server, process: ServerProcess, deadline: float) -> None:
    while not server.is_ready():
        if process.has_ended or time.monotonic() > deadline:
            process.stop()
            raise DrumError(_not_started(list(process.log)))
        time.sleep(POLL_SECONDS)


def _not_started(log: list[str]) -> str:
    """The cause, as the server logged its last error, before the last lines of its log."""
    if not log:
        return NOT_STARTED
    errors = [number for number, line in enumerate(log) if ERROR.match(line)]
    cause = f" {_message(log[errors[-1] :])}\n" if errors else " "
    said = "\n".join(log[-SHOWN_LINES:])
    return f"{NOT_STARTED}{cause}It said:\n{said}"


def _message(lines: list[str]) -> str:
    """The text of the log record that begins the lines, in one line, without its traceback."""
    first, *rest = lines
    more = takewhile(lambda line: not (RECORD.match(line) or line.startswith("Traceback")), rest)
    text = " ".join([ERROR.sub("", first), *more])
    return re.sub(r"\s+", " ", text.removesuffix(" {}")).strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
