"""`--docker` with a stand-in for the engine: the command line that it gets, and what comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DRUM, clean_environment, find_free_port
from tests.stand_ins.engine import Engine

MODEL = """
import json
import os
import pandas as pd

def load_model(code_dir):
    return float(os.environ.get("DRUM_FACTOR", 2))

def score(data, model, **kwargs):
    if "exit" in data.columns:
        raise SystemExit(9)
    return pd.DataFrame({"Predictions": data["a"] * model})
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "engine")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "custom.py").write_text(MODEL)
    return tmp_path / "model"


Score = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def score(run_drum: Any, model: Path, engine: Engine) -> Score:
    """`score(*words, docker=…, env=…)` scores the rows in a container."""

    def score(*words: str, docker: str = "my/image", **env: str) -> Any:
        place = ("--code-dir", str(model), "--input", str(model.parent / "rows.csv"))
        kind = ("--target-type", "regression", "--docker", docker)
        return run_drum("score", *place, *kind, *words, env={**engine.environ, **env})

    return score


def test_score_runs_in_the_container(score: Score, engine: Engine, model: Path):
    done = score()
    assert (done.returncode, done.stdout) == (0, "Predictions\n2.0\n4.0\n")
    assert engine.command[:8] == [
        "run",
        "--rm",
        "--init",
        "--entrypoint",
        "",
        *("--interactive", "--user", f"{os.getuid()}:{os.getgid()}"),
    ]
    assert engine.values("-v") == [
        f"{model}:/opt/model",
        f"{model.parent / 'rows.csv'}:/opt/input/rows.csv:ro",
    ]
    assert engine.command[engine.command.index("my/image") :] == [
        *("my/image", "drum", "score", "--code-dir=/opt/model", "--target-type=regression"),
        "--input=/opt/input/rows.csv",
    ]


def test_output_is_written_here(score: Score, model: Path):
    output = model.parent / "result.csv"
    assert score("--output", str(output)).returncode == 0
    assert output.read_text() == "Predictions\n2.0\n4.0\n"


def test_output_is_not_left_empty_after_an_error(score: Score, model: Path):
    (model.parent / "rows.csv").write_text("exit\n1\n")
    done = score("--output", str(model.parent / "result.csv"))
    assert done.returncode == 1
    assert "Error from docker process: 9" in done.stderr
    assert not (model.parent / "result.csv").exists()


def test_output_that_was_there_stays_after_an_error(score: Score, model: Path):
    (model.parent / "rows.csv").write_text("exit\n1\n")
    (model.parent / "result.csv").write_text("old")
    assert score("--output", str(model.parent / "result.csv")).returncode == 1
    assert (model.parent / "result.csv").read_text() == "old"


@pytest.mark.parametrize("head", ["a", "exit"])
def test_results_of_a_validation_are_kept_though_it_fails(run_drum, model, engine, head):
    (model.parent / "rows.csv").write_text(f"{head}\n1\n2\n")
    place = ("--code-dir", str(model), "--input", str(model.parent / "rows.csv"))
    kind = ("--target-type", "regression", "--docker", "my/image")
    output = model.parent / "checks.json"
    done = run_drum("validation", *place, *kind, "--output", str(output), env=engine.environ)
    assert (done.returncode == 0) is (head == "a"), done.stderr
    assert json.loads(output.read_text())


def test_variables_are_passed_by_name(score: Score, engine: Engine):
    done = score(DRUM_FACTOR="5", TARGET_NAME="t", OTHER="secret", API_TOKEN="hunter2")
    assert done.stdout == "Predictions\n5.0\n10.0\n"
    assert engine.values("-e") == ["API_TOKEN", "DRUM_FACTOR", "TARGET_NAME"]
    assert not any("hunter2" in word for word in engine.command)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "My" / "Context").mkdir(parents=True)
    (tmp_path / "My" / "Context" / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path / "My" / "Context"


def test_requirements_of_the_model_are_installed(
    score: Score, engine: Engine, context: Path, model: Path
):
    (model / "requirements.txt").write_text("# tools\nnumpy>=2  # new\n\n-r other.txt\n")
    done = score(docker=str(context))
    assert (done.returncode, done.stdout) == (0, "Predictions\n2.0\n4.0\n")
    assert "Image successfully built; tag: my/context; image id: sha256:0123" in done.stderr
    assert (engine.folder / "built").read_text() == (
        "FROM scratch\n\nRUN pip3 install 'numpy>=2' '-r' 'other.txt'\n"
    )
    assert (context / "Dockerfile").read_text() == "FROM scratch\n"


def serve(model: Path, engine: Engine, home: Path, address: str) -> subprocess.Popen[str]:
    place = ("--code-dir", str(model), "--target-type", "regression", "--docker", "my/image")
    return subprocess.Popen(
        [*DRUM, "server", *place, "--address", address],
        env=clean_environment(home, engine.environ),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_server_runs_until_it_is_told_to_stop(number: int, model, engine, home):
    import httpx

    port = find_free_port()
    process = serve(model, engine, home, f"127.0.0.1:{port}")
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None and time.monotonic() < deadline
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/", trust_env=False).is_success:
                break
        except httpx.TransportError:
            time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(30) == (0 if number == signal.SIGINT else 130)
    assert process.stderr is not None
    process.stderr.close()
    assert engine.values("-p") == [f"127.0.0.1:{port}:{port}"]
    assert f"0.0.0.0:{port}" in engine.command


def test_push_tries_the_model_in_the_container(run_drum, engine, model):
    (model / "rows.csv").write_text("exit\n1\n")
    (model / "model-metadata.yaml").write_text(
        "name: m\ntype: inference\ntargetType: regression\nenvironmentID: e\n"
        "validation: {input: rows.csv}\ninferenceModel: {targetName: y}\n"
    )
    done = run_drum("push", "--code-dir", str(model), "--docker", "my/image", env=engine.environ)
    assert done.returncode == 1
    assert "Error from docker process: 9" in done.stderr
    assert "--output=/dev/null" in engine.command
