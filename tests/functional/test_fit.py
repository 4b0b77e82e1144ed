"""`drum fit` as a process: each kind of target is trained, then scored and served."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from scipy.io import mmwrite
from scipy.sparse import csr_matrix
from tests.conftest import DRUM, clean_environment

ROWS = 60
DONE = ["Starting Fit", "Fit successful", "Starting Prediction"]
HOOK = """
import os, pickle
from sklearn.linear_model import LinearRegression, LogisticRegression
def fit(X, y, output_dir, class_order=None, row_weights=None, parameters=None, **kwargs):
    model = LogisticRegression() if class_order else LinearRegression()
    with open(os.path.join(output_dir, "artifact.pkl"), "wb") as file:
        pickle.dump(model.set_params(**parameters).fit(X, y, row_weights), file)
"""
TASK = """
import pandas as pd
from datarobot_drum.custom_task_interfaces import *
from sklearn.linear_model import LinearRegression, LogisticRegression
class CustomTask({interface}):
    def fit(self, X, y=None, row_weights=None, **kwargs):
        self.mean = X.mean()
        if y is not None:
            model = LogisticRegression() if kwargs["class_order"] else LinearRegression()
            self.model = model.fit(X, y, row_weights)
    def predict(self, X, **kwargs):
        if hasattr(self, "model"):
            return pd.DataFrame({{"Predictions": self.model.predict(X)}})
        return pd.DataFrame({{"Predictions": ((X - self.mean) ** 2).sum(axis=1)}})
    def predict_proba(self, X, **kwargs):
        return pd.DataFrame(self.model.predict_proba(X), columns=self.model.classes_)
    def transform(self, X):
        return X - self.mean
"""


def table() -> pd.DataFrame:
    """Two features and a target of each kind that follows from them."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 2)).round(4), columns=["a", "b"])
    frame["number"] = 2 * frame.a - frame.b + 1
    frame["two"] = np.where(frame.a + frame.b > 0, "yes", "no")
    frame["three"] = pd.cut(frame.a, [-9, -0.5, 0.5, 9], labels=["lo", "mid", "hi"]).astype(str)
    return frame


@dataclass(frozen=True)
class Kind:
    """A target type, its column, its interface, and the labels that scoring must be told."""

    target_type: str
    column: str | None
    interface: str
    labels: tuple[str, ...] = ()


KINDS = [
    Kind("regression", "number", "RegressionEstimatorInterface"),
    Kind(
        "binary",
        "two",
        "BinaryEstimatorInterface",
        ("--positive-class-label", "yes", "--negative-class-label", "no"),
    ),
    Kind(
        "multiclass", "three", "MulticlassEstimatorInterface", ("--class-labels", "lo", "mid", "hi")
    ),
    Kind("anomaly", None, "AnomalyEstimatorInterface"),
    Kind("transform", None, "TransformerInterface"),
]


@pytest.fixture
def folder(tmp_path):
    """The data, an empty model folder and an empty output folder."""
    for name in ("model", "out"):
        (tmp_path / name).mkdir()
    table().to_csv(tmp_path / "all.csv", index=False)
    table()[["a", "b"]].to_csv(tmp_path / "x.csv", index=False)
    return tmp_path


def write(folder: Path, code: str) -> None:
    (folder / "model" / "custom.py").write_text(textwrap.dedent(code))


def fit_words(folder: Path, kind: Kind) -> list[str]:
    """A command line that trains on the features and the target in a file of its own."""
    words = ["fit", "--code-dir", str(folder / "model"), "--output", str(folder / "out")]
    if kind.column is not None:
        table()[[kind.column]].to_csv(folder / "y.csv", index=False)
        words += ["--target-csv", str(folder / "y.csv")]
    return [*words, "--input", str(folder / "x.csv"), "--target-type", kind.target_type]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.target_type)
def test_trained_task_scores_and_serves(kind, folder, run_drum, running_server):
    write(folder, TASK.format(interface=kind.interface))
    before = contents(folder / "model")
    done = run_drum(*fit_words(folder, kind))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Success 🎉"), done.stderr
    assert sorted(contents(folder / "out")) == ["README.md", "custom.py", "drum_artifact.pkl"]
    assert contents(folder / "model") == before
    place = ("--code-dir", str(folder / "out"), "--target-type", kind.target_type, *kind.labels)
    output = folder / "scored.csv"
    source = ("--input", str(folder / "x.csv"), "--output", str(output))
    assert run_drum("score", *place, *source).returncode == 0
    scored = pd.read_csv(output)
    assert len(scored) == ROWS
    if kind.target_type == "regression":
        np.testing.assert_allclose(scored["Predictions"], table()["number"])
    with running_server(folder / "out", *place[2:], server_type="fastapi") as server:
        route = "/transform/" if kind.target_type == "transform" else "/predict/"
        with (folder / "x.csv").open("rb") as file:
            reply = server.post(route, files={"X": ("x.csv", file)})
    assert reply.status_code == 200
    if kind.target_type != "transform":
        served = pd.DataFrame(reply.json()["predictions"])
        np.testing.assert_allclose(served.to_numpy(), scored.to_numpy(), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS[:3], ids=lambda kind: kind.target_type)
def test_fit_hook_trains_an_artifact_that_scores(kind, folder, run_drum):
    write(folder, HOOK)
    done = run_drum(*fit_words(folder, kind))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *DONE,
        "Prediction successful for fit validation",
        "Success 🎉",
    ]
    words = ("--target-type", kind.target_type, *kind.labels, "--input", str(folder / "x.csv"))
    scored = run_drum("score", "--code-dir", str(folder / "out"), *words)
    assert len(scored.stdout.splitlines()) == ROWS + 1


def test_command_line_of_the_images_works_with_sparse_data(folder, run_drum):
    write(folder, HOOK)
    rng = np.random.default_rng(5)
    matrix = csr_matrix((rng.random((ROWS, 3)) > 0.6).astype(float))
    mmwrite(str(folder / "X.mtx"), matrix)
    (folder / "X.colnames").write_text("p\nq\nr\n")
    pd.DataFrame({"y": matrix.sum(axis=1).A1}).to_csv(folder / "y.csv", index=False)
    pd.DataFrame({"w": rng.random(ROWS)}).to_csv(folder / "w.csv", index=False)
    (folder / "parameters.json").write_text('{"fit_intercept": false}')
    (folder / "secrets").mkdir()
    secret = {"credential_type": "basic", "username": "user", "password": "pa55word"}
    (folder / "secrets" / "LOGIN").write_text(json.dumps(secret))
    done = run_drum(
        *("fit", "--target-type", "regression", "--input", str(folder / "X.mtx")),
        *("--num-rows", "ALL", "--output", str(folder / "out")),
        *("--code-dir", str(folder / "model"), "--verbose", "--enable-fit-metadata"),
        *("--target-csv", str(folder / "y.csv"), "--row-weights-csv", str(folder / "w.csv")),
        *("--sparse-column-file", str(folder / "X.colnames")),
        *("--parameter-file", str(folder / "parameters.json")),
        *("--user-secrets-mount-path", str(folder / "secrets")),
    )
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip("0123456789MB") for line in done.stdout.splitlines()]
    assert lines == [
        "Detected fit mode",
        "Starting Fit",
        "Fit successful",
        "Maximum fit memory usage: ",
        "Starting Prediction",
        "Maximum server memory usage: ",
        "Prediction successful for fit validation",
        "Success 🎉",
    ]
    assert "fit_runtime_data.json" in contents(folder / "out")
    assert (folder / "X.colnames").read_text() == "p\nq\nr\n"


def test_target_and_weights_may_be_columns_of_the_data(folder, run_drum):
    write(folder, HOOK)
    frame = table()[["a", "b", "number"]].assign(weight=1.0)
    frame.to_csv(folder / "all.csv", index=False)
    place = ("--code-dir", str(folder / "model"), "--input", str(folder / "all.csv"))
    columns = ("--target", "number", "--row-weights", "weight", "--num-rows", "40")
    done = run_drum("fit", *place, "--target-type", "regression", *columns)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("You're ready to add it to DataRobot. \n")


SECRET_TASK = """
import logging, sys, pandas as pd
from datarobot_drum.custom_task_interfaces import RegressionEstimatorInterface
class CustomTask(RegressionEstimatorInterface):
    def fit(self, X, y, **kwargs): self.tell()
    def predict(self, X, **kwargs):
        self.tell()
        if "boom" in X: raise ValueError(self.token())
        return pd.DataFrame({"Predictions": [float(len(self.token()))] * len(X)})
    def token(self): return self.secrets["KEY"].api_token
    def tell(self):
        print(self.secrets, self.token())
        print(self.token()[:4], end=""); print(self.token()[4:], flush=True)
        print(self.token(), file=sys.stderr)
        logging.getLogger("mine").warning("the token is %s", self.token())
"""
TOKEN = "sup3rs3cret-t0ken"
SECRETS = {"PFX_KEY": json.dumps({"credential_type": "api_token", "api_token": TOKEN})}


def test_secrets_are_used_and_never_shown(folder, run_drum, server_type, running_server):
    write(folder, SECRET_TASK)
    options = ("--target-type", "regression", "--user-secrets-prefix", "PFX")
    words = fit_words(folder, KINDS[0])
    shown = [run_drum(*words, "--user-secrets-prefix", "PFX", env=SECRETS)]
    place = ("--code-dir", str(folder / "out"), "--input", str(folder / "x.csv"))
    shown.append(run_drum("score", *place, *options, env=SECRETS))
    assert [done.returncode for done in shown] == [0, 0], shown
    assert shown[1].stdout.splitlines()[1] == str(float(len(TOKEN)))
    with running_server(folder / "out", *options, env=SECRETS, server_type=server_type) as server:
        answers = [server.post("/predict/", content=body) for body in (b"a\n1\n", b"boom\n1\n")]
    assert [answer.status_code for answer in answers] == [200, 500]
    texts = [done.stdout + done.stderr for done in shown] + [server.log]
    assert [text.count("the token is *****") > 0 for text in texts] == [True] * 3
    assert [TOKEN in text for text in (*texts, answers[1].text)] == [False] * 4


def test_terminated_run_leaves_no_process_and_no_file(folder, home):
    write(folder, HOOK + "\ndef load_model(code_dir):\n    __import__('time').sleep(600)\n")
    process = subprocess.Popen(
        [*DRUM, *fit_words(folder, KINDS[0])],
        env=clean_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    children = _wait_for_children(process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.endswith("Ctrl+C pressed, aborting drum\n")
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert contents(folder / "out") == {}


def test_check_ends_with_a_killed_parent(folder, home):
    sleeper = "import subprocess\ndef load_model(code_dir): subprocess.run(['sleep', '600'])\n"
    write(folder, HOOK + sleeper)
    (folder / "tmp").mkdir()
    process = subprocess.Popen(
        [*DRUM, *fit_words(folder, KINDS[0])],
        env=clean_environment(home, {"TMPDIR": str(folder / "tmp")}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    children = _wait_for_children(process, count=2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert contents(folder / "tmp") == {}


def _wait_for_children(process, count: int = 1) -> list[psutil.Process]:
    """The check's process, and what the model has started there, once they are there."""
    deadline = time.monotonic() + 60
    while len(found := psutil.Process(process.pid).children(recursive=True)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
