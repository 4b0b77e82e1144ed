"""The example folders do what their READMEs say, in batch and on each server type."""

from __future__ import annotations

import asyncio
import io
import json
import math
import pickle
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.frameworks.cases import TEMPLATE_ENVIRONMENTS

TEMPLATES = Path(__file__).resolve().parents[2] / "model_templates"
NAMES = sorted(folder.parent.name for folder in TEMPLATES.glob("*/README.md"))
ALL_SERVER_TYPES = ("flask", "gunicorn", "fastapi")
ON_EVERY_SERVER_TYPE = ("python3_sklearn_regression", "python3_textgen")

FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASSIGNMENT = re.compile(r"[A-Z_]+=")
WORD = re.compile(r'[^\s,:;{}\[\]"=]+')


@dataclass(frozen=True)
class Step:
    """A command of a README and the answer it states, if any."""

    env: dict[str, str]
    words: list[str]
    answer: str

    @property
    def program(self) -> str:
        """What runs: `python`, `curl`, `drum score` or `drum server`."""
        return " ".join(self.words[:2]) if self.words[0] == "drum" else self.words[0]

    def option(self, name: str) -> str:
        """The value of a command line option."""
        return self.words[self.words.index(name) + 1]


def readme_steps(name: str) -> list[Step]:
    """The commands of a README, in order; an answer is the next block that is no command."""
    blocks = FENCED.findall((TEMPLATES / name / "README.md").read_text())
    steps = []
    for (kind, text), (next_kind, next_text) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "sh":
            steps.append(make_step(text, "" if next_kind == "sh" else next_text))
    return steps


def make_step(command: str, answer: str) -> Step:
    """Split a command as a shell would, variables set in front of it included."""
    words = shlex.split(command)
    env = dict(word.split("=", 1) for word in takewhile(ASSIGNMENT.match, words))
    return Step(env, words[len(env) :], answer)


def served_steps(name: str) -> list[tuple[Step, list[Step]]]:
    """Each `drum server` of a README with the requests that follow it."""
    served: list[tuple[Step, list[Step]]] = []
    for step in readme_steps(name):
        if step.program == "drum server":
            served.append((step, []))
        elif step.program == "curl":
            served[-1][1].append(step)
    return served


def matches(stated: str, given: str) -> bool:
    """Are the texts equal, but for layout, rounding, and what the README leaves out with `…`?"""
    left, right = WORD.findall(stated), WORD.findall(given)
    return len(left) == len(right) and all(map(word_matches, left, right))


def word_matches(stated: str, given: str) -> bool:
    """One word of `matches`."""
    if stated.endswith("…"):
        return given.startswith(stated[:-1])
    try:
        return math.isclose(float(stated), float(given), rel_tol=1e-6, abs_tol=1e-9)
    except ValueError:
        return stated == given


def server_cases() -> Iterator[Any]:
    """Every `drum server` of every README; two examples on each server type."""
    for name in NAMES:
        types = ALL_SERVER_TYPES if name in ON_EVERY_SERVER_TYPE else ("fastapi",)
        for index in range(len(served_steps(name))):
            for server_type in types:
                case = (name, index, server_type)
                yield pytest.param(case, id="-".join(map(str, case)), marks=marks_of(name))


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """An example of a framework runs in that framework's environment only."""
    environment = TEMPLATE_ENVIRONMENTS.get(name)
    return [pytest.mark.framework(environment)] if environment else []


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks_of(name)) for name in NAMES])
def test_readme_score_commands_give_the_stated_answers(name, template, run_drum):
    folder = template(name)
    for step in (step for step in readme_steps(name) if step.program == "drum score"):
        done = run_drum(*step.words[1:], cwd=folder, env=step.env)
        assert done.returncode == 0, done.stderr
        written = (folder / step.option("--output")).read_text()
        assert matches(step.answer, written), written


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands are curl's")
@pytest.mark.parametrize("case", list(server_cases()))
def test_readme_requests_give_the_stated_answers(case, template, running_server):
    name, index, server_type = case
    server_step, requests = served_steps(name)[index]
    with run_server_step(server_step, server_type, template(name), running_server) as server:
        for step in requests:
            given = run_curl(step, server.url, template(name))
            assert matches(step.answer, given), f"{step.words} gave {given}"


def run_server_step(step: Step, server_type: str, folder: Path, running_server):
    """Start a README's server, but on a free port and as `server_type`."""
    replaced = {"--address", "--code-dir", "--server-type"}
    words = iter(step.words[2:])
    args = [word for word in words if word not in replaced or not next(words)]
    code_dir = folder / step.option("--code-dir")
    return running_server(code_dir, *args, env=step.env, server_type=server_type, cwd=folder)


def run_curl(step: Step, url: str, folder: Path) -> str:
    """What a README's curl command prints when it is sent to `url`."""
    words = [word.replace("http://localhost:8080", url) for word in step.words[1:]]
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=90, check=True)
    return done.stdout.decode()


def load_artifact(folder: Path) -> Any:
    """The only artifact of an example folder."""
    (path,) = folder.glob("*.pkl")
    return pickle.loads(path.read_bytes())


def regression_answer(model: Any, sample: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"Predictions": model.predict(sample)})


def classification_answer(model: Any, sample: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(model.predict_proba(sample), columns=model.classes_)


def anomaly_answer(model: Any, sample: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"Predictions": -model.score_samples(sample)})


def transform_answer(model: Any, sample: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(model.transform(sample).toarray(), columns=model.get_feature_names_out())


LIBRARY_ANSWERS: dict[str, Callable[[Any, pd.DataFrame], pd.DataFrame]] = {
    "python3_sklearn_regression": regression_answer,
    "python3_sklearn_binary": classification_answer,
    "python3_sklearn_multiclass": classification_answer,
    "python3_sklearn_anomaly": anomaly_answer,
    "python3_transform": transform_answer,
}


@pytest.mark.parametrize("name", LIBRARY_ANSWERS)
def test_score_writes_what_the_library_predicts(name, template, run_drum, tmp_path):
    folder, output = template(name), tmp_path / "out.csv"
    step = next(step for step in readme_steps(name) if step.program == "drum score")
    run_drum(*step.words[1:], "--output", str(output), cwd=folder)
    expected = LIBRARY_ANSWERS[name](load_artifact(folder), pd.read_csv(folder / "sample.csv"))
    written = pd.read_csv(output)
    assert list(written.columns) == list(expected.columns)
    np.testing.assert_allclose(written.to_numpy(), expected.to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in LIBRARY_ANSWERS if name != "python3_transform"])
def test_readme_states_the_same_answer_for_score_and_server(name):
    score, request = (
        next(step.answer for step in readme_steps(name) if step.program == program)
        for program in ("drum score", "curl")
    )
    predictions = json.loads(request)["predictions"]
    served = pd.DataFrame(predictions, columns=None if isinstance(predictions[0], dict) else [0])
    np.testing.assert_allclose(served.to_numpy(), pd.read_csv(io.StringIO(score)).to_numpy())


@pytest.mark.parametrize("name", NAMES)
def test_readme_has_a_score_and_a_server_command(name):
    programs = [step.program for step in readme_steps(name)]
    assert "drum score" in programs
    assert "drum server" in programs
    assert ("python" in programs) == (TEMPLATES / name / "make_artifact.py").exists()


def test_table_lists_every_folder():
    table = (TEMPLATES / "README.md").read_text()
    assert re.findall(r"^\| \[(\w+)\]\(\1\)", table, re.MULTILINE) != []
    assert set(re.findall(r"^\| \[(\w+)\]\(\1\)", table, re.MULTILINE)) == set(NAMES)


@pytest.mark.parametrize(
    ("body", "code"),
    [("pass", 0), ("raise SystemExit(3)", 1), ("import no_such_framework", 0)],
)
def test_make_all_tells_how_many_artifacts_failed(body, code, tmp_path):
    shutil.copy(TEMPLATES / "make_all.py", tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "make_artifact.py").write_text(body)
    done = subprocess.run([sys.executable, str(tmp_path / "make_all.py")], check=False)
    assert done.returncode == code


PROBES = ("/", "/ping", "/ping/", "/livez", "/readyz", "/startupz", "/health", "/health/")
GUARDED = ("/info/", "/stats/", "/metrics", "/tariff", "/nowhere", "/docs", "/openapi.json")
TOKEN = {"MODEL_API_TOKEN": "s3cret"}


def test_custom_fastapi_lets_only_probes_pass_without_the_token(template, start_server):
    server = start_server(template("python3_custom_fastapi"), env=TOKEN, server_type="fastapi")
    assert {server.get(path).status_code for path in PROBES} == {200}
    assert {server.get(path).status_code for path in GUARDED} == {401}
    wrong = {"Authorization": "Bearer s3cre"}
    refused = server.post("/predict/", content=b"weight,distance\n1,2\n", headers=wrong)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    known = {"Authorization": "Bearer s3cret"}
    assert server.get("/info/", headers=known).status_code == 200


def test_custom_fastapi_keeps_probes_open_below_a_url_prefix(template, running_server):
    env = {**TOKEN, "URL_PREFIX": "/models/parcel"}
    folder = template("python3_custom_fastapi")
    with running_server(folder, env=env, server_type="fastapi", wait=False) as server:
        server.wait_until_ready("/models/parcel/health/")
        assert server.get("/models/parcel/livez").status_code == 200
        assert server.get("/models/parcel/info/").status_code == 401


@pytest.mark.parametrize(
    ("env", "server_type", "said"),
    [
        pytest.param({}, "fastapi", "MODEL_API_TOKEN", id="no-token"),
        pytest.param(TOKEN, "flask", "custom_fastapi.py", id="flask"),
        pytest.param(TOKEN, "gunicorn", "custom_fastapi.py", id="gunicorn"),
    ],
)
def test_custom_fastapi_is_not_served_without_its_check(
    env, server_type, said, template, start_server
):
    folder = template("python3_custom_fastapi")
    server = start_server(folder, env=env, server_type=server_type, wait=False)
    assert server.process.wait(60) != 0
    assert said in server.log


def test_custom_fastapi_closes_a_websocket_without_the_token():
    path = TEMPLATES / "python3_custom_fastapi" / "custom_fastapi.py"
    middleware = runpy.run_path(str(path))["TokenMiddleware"]
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    guard = middleware(None, token="s3cret", exempt=frozenset())
    asyncio.run(guard({"type": "websocket", "path": "/x", "headers": []}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
