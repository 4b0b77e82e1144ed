"""The examples of every command's `--help` do what they promise."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pytest

from datarobot_drum.drum.cli.parser import EXAMPLES, SUMMARIES, parse

#: Commands whose examples are only parsed, and why.
PARSED_ONLY = {"push": "there is no platform to push to"}

ASSIGNMENT = re.compile(r"[A-Z_]+=")
PORT = "8080"


def lines_of(command: str) -> list[str]:
    """The shell lines of a command's examples, continued ones as one."""
    text = EXAMPLES.get(command, "").replace("\\\n", "")
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


def drum_lines(command: str) -> list[str]:
    return [line for line in lines_of(command) if not line.startswith("curl")]


def run_lines() -> list[str]:
    commands = [name for name in EXAMPLES if name not in ("server", *PARSED_ONLY)]
    return [line for name in commands for line in drum_lines(name)]


def test_every_command_has_examples():
    assert [name for name in SUMMARIES if not drum_lines(name)] == []


@pytest.mark.parametrize("command", SUMMARIES)
def test_examples_are_of_their_command_and_parse(command, tmp_path, monkeypatch):
    lines = drum_lines(command)
    monkeypatch.chdir(prepared(tmp_path, lines[0]))
    for line in lines:
        variables, words = split(line)
        assert words[:2] == ["drum", command]
        assert parse(words[1:], variables).command == command


def split(line: str) -> tuple[dict[str, str], list[str]]:
    """Variables and words of a line, without what the shell does with its output."""
    words = shlex.split(line.partition(" > ")[0])
    variables = dict(word.split("=", 1) for word in takewhile(ASSIGNMENT.match, words))
    return variables, words[len(variables) :]


def prepared(folder: Path, line: str | None) -> Path:
    """The files that examples name; `model` is of the target type that the line tells."""
    from datarobot_drum.drum.main import main

    variables, words = split(line or "")
    target = variables.get("TARGET_TYPE")
    if "--target-type" in words:
        target = words[words.index("--target-type") + 1]
    chosen = ["--language", "python", "--target-type", target or "regression"]
    assert main(["new", "model", "--code-dir", str(folder / "model"), *chosen]) == 0
    if target is not None:
        # what the line tells must do without it
        (folder / "model" / "model-metadata.yaml").unlink()
    if words[1:2] == ["fit"]:
        prepare_training(folder)
        return folder
    for sample in (folder / "model").glob("sample.*"):
        shutil.copy(sample, folder / {".csv": "data.csv", ".txt": "note.txt"}[sample.suffix])
    (folder / "data.csv").touch()
    (folder / "note.txt").touch()
    return folder


FIT = """
import pickle
from pathlib import Path

from sklearn.linear_model import LinearRegression, LogisticRegression


def fit(X, y, output_dir, class_order, **kwargs):
    model = (LogisticRegression() if class_order else LinearRegression()).fit(X, y)
    Path(output_dir, "model.pkl").write_bytes(pickle.dumps(model))
"""


def prepare_training(folder: Path) -> None:
    """A model that can be trained, and dense and sparse data with the columns of the examples."""
    (folder / "model" / "custom.py").write_text(FIT)
    (folder / "trained").mkdir()
    rows = [f"{n},{n % 7},{2 * n},{int(n % 7 > 3)}\n" for n in range(1100)]
    (folder / "data.csv").write_text("".join(["rooms,floor,price,churn\n", *rows]))
    entries = "".join(f"{n} {n % 3 + 1} 1\n" for n in range(1, 61))
    header = "%%MatrixMarket matrix coordinate integer general\n60 3 60\n"
    (folder / "x.mtx").write_text(header + entries)
    (folder / "x.columns").write_text("red\ngreen\nblue\n")
    (folder / "y.csv").write_text("colour\n" + "".join(f"c{n % 3}\n" for n in range(1, 61)))


def environment(home: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
    return {**kept, "PATH": path, "HOME": str(home)}


@pytest.mark.parametrize("line", run_lines())
def test_example_runs(line, tmp_path, home):
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=prepared(tmp_path, line),
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("result.csv", "checks.json", "report.html", "report.json"):
        assert (tmp_path / name).exists() == (name in line)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the example is curl's")
@pytest.mark.parametrize("line", drum_lines("server"))
def test_example_of_a_server_answers_that_of_curl(line, tmp_path, home, free_port):
    (curl,) = [text for text in lines_of("server") if text.startswith("curl")]
    with served(line.replace(PORT, str(free_port)), prepared(tmp_path, line), home) as process:
        deadline = time.monotonic() + 90
        ask = curl.replace(PORT, str(free_port)) + " --silent --fail --noproxy '*'"
        while (done := answer(ask, tmp_path)).returncode:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert '"predictions":[' in done.stdout


def answer(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False
    )


@contextmanager
def served(line: str, folder: Path, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The server of a shell line, with all its processes ended on leaving."""
    with (home / "example.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=folder,
            env=environment(home),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
