"""Folders of every framework answer what their library predicts: in batch, and on each server.

Each row of `CASES` is trained by its script, which also writes what the library itself predicts.
Cases with an environment run there only: scripts/test_frameworks.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.frameworks.cases import CASES, Case
from tests.frameworks.environments import ENVIRONMENTS

ROOT = Path(__file__).resolve().parents[2]
LEGACY = {"DRUM_LEGACY_LABEL_ORDER": "true"}

Trained = Callable[[Case], Path]


def case_param(case: Case):
    """A case that only its environment runs."""
    marks = [pytest.mark.framework(case.environment)] if case.environment else []
    return pytest.param(case, id=case.id, marks=marks)


EVERY_CASE = [case_param(case) for case in CASES]
BARE_CASES = [case_param(case) for case in CASES if case.is_bare]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """`trained(case)` is the folder with `model/`, `input.csv` and `expected.csv`."""
    made: dict[str, Path] = {}

    def train(case: Case) -> Path:
        if case.id not in made:
            place = tmp_path_factory.mktemp(case.id)
            module = f"tests.frameworks.{case.script}"
            command = [sys.executable, "-m", module, case.name, str(place)]
            subprocess.run(command, cwd=ROOT, check=True, timeout=300)
            made[case.id] = place
        return made[case.id]

    return train


@pytest.mark.parametrize("case", EVERY_CASE)
def test_score_writes_what_the_library_predicts(case: Case, trained, run_drum, tmp_path):
    place, output = trained(case), tmp_path / "out.csv"
    done = run_drum("score", *folder_of(place), "--output", str(output), *case.arguments)
    assert done.returncode == 0, done.stderr
    check_equal(pd.read_csv(output), expected(place), case)


@pytest.mark.parametrize("case", EVERY_CASE)
def test_server_answers_what_the_library_predicts(case: Case, server_type, trained, running_server):
    place = trained(case)
    body = (place / "input.csv").read_bytes()
    with running_server(place / "model", *case.arguments, server_type=server_type) as server:
        reply = server.post("/predict/", content=body, headers={"Content-Type": "text/csv"})
        assert reply.status_code == 200, reply.text
        assert server.get("/info/").json().get("predictor") == case.predictor
    check_equal(as_frame(reply.json()["predictions"]), expected(place), case)


@pytest.mark.parametrize("case", BARE_CASES)
def test_legacy_label_order_swaps_the_two_labels(case: Case, trained, run_drum, tmp_path):
    place, output = trained(case), tmp_path / "out.csv"
    args = (*folder_of(place), "--output", str(output), *case.arguments)
    done = run_drum("score", *args, env=LEGACY)
    assert done.returncode == 0, done.stderr
    swapped = expected(place).rename(columns={"no": "yes", "yes": "no"})
    check_equal(pd.read_csv(output), swapped, case)


def test_every_environment_has_cases():
    assert {case.environment for case in CASES} == {None, *(row.name for row in ENVIRONMENTS)}


def test_cases_have_names_of_their_own():
    ids = [case.id for case in CASES]
    assert sorted(set(ids)) == sorted(ids)


def folder_of(place: Path) -> tuple[str, ...]:
    return "--code-dir", str(place / "model"), "--input", str(place / "input.csv")


def expected(place: Path) -> pd.DataFrame:
    return pd.read_csv(place / "expected.csv")


def as_frame(predictions: list) -> pd.DataFrame:
    columns = None if isinstance(predictions[0], dict) else ["Predictions"]
    return pd.DataFrame(predictions, columns=columns)


def check_equal(found: pd.DataFrame, wanted: pd.DataFrame, case: Case) -> None:
    """The same columns, in any order, and numbers within the tolerance of the case."""
    assert sorted(found.columns) == sorted(wanted.columns)
    values = found[wanted.columns].to_numpy()
    np.testing.assert_allclose(values, wanted.to_numpy(), rtol=case.tolerance, atol=case.tolerance)
