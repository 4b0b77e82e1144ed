"""The README's commands, run as a reader would in a fresh checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
PACKAGE_COMMANDS = re.findall(
    r"```sh\n(.*?)```", (ROOT / "custom_model_runner" / "README.md").read_text(), re.DOTALL
)
NOT_IN_A_CHECKOUT = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", "__pycache__", "*.pkl", "*.egg-info", ".coverage*", ".results"
)
#: The suite itself may run under make, whose variables change what another make does.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
}


def readme_command(start: str) -> str:
    (command,) = [text.strip() for text in COMMANDS if text.startswith(start)]
    return command


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def checkout(tmp_path):
    """A copy of the repository without anything that tools have left in it."""
    return Path(shutil.copytree(ROOT, tmp_path / "opendrum", ignore=NOT_IN_A_CHECKOUT))


@contextmanager
def running(command: str, folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A shell command in a process group of its own, which is stopped at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"not ready:\n{log.read_text()}")


def answer(command: str, folder: Path) -> dict:
    """The JSON that a shell command prints."""
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, check=True)
    return json.loads(done.stdout)


def test_make_serve_serves_the_example_to_both_curls(checkout, tmp_path):
    port, log = free_port(), tmp_path / "log"
    # The environment of this test run, so that no second one is made.
    serve = f"{readme_command('make serve')} PORT={port} VENV={sys.prefix} INSTALL=true"
    with running(serve, checkout, log) as process:
        wait_until_ready(port, process, log)
        rows = (checkout / "model_templates/python3_sklearn_regression/sample.csv").read_text()
        curl = readme_command("curl").replace(":5000", f":{port}")
        assert len(answer(curl, checkout)["predictions"]) == len(rows.splitlines()) - 1
        assert answer(printed_curl(log), checkout) == answer(curl, checkout)


def printed_curl(log: Path) -> str:
    """The command that a process beside the server prints, perhaps after the first answers."""
    deadline = time.monotonic() + 60
    while (printed := re.search(r"curl .*", log.read_text())) is None:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return printed[0]


def test_make_test_checks_and_tests():
    done = subprocess.run(
        ["make", "--dry-run", "test"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:3] == ["scripts/install --dev", "scripts/check", "scripts/test"]


def test_commands_of_the_package_s_readme_make_a_model_score_it_and_serve_it(tmp_path):
    make, use, ask = PACKAGE_COMMANDS
    pip, _, make = make.partition("\n")
    score, serve = use.splitlines()
    assert pip == "pip install opendrum"
    on_path = f'export PATH="{Path(sys.executable).parent}:$PATH"\n'
    script = f"set -e\n{on_path}{make}{score}"
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=ENVIRONMENT, check=True)
    assert (tmp_path / "predictions.csv").read_text() == "Predictions\n20.0\n40.0\n"
    port, log = free_port(), tmp_path / "log"
    command = f"{on_path}exec {serve.replace(':5000', f':{port}')}"
    with running(command, tmp_path, log) as process:
        wait_until_ready(port, process, log)
        reply = answer(ask.strip().replace(":5000", f":{port}"), tmp_path)
        assert reply == {"predictions": [20.0, 40.0]}
