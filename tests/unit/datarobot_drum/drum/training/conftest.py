"""Folders to train, and a run of training in this process."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datarobot_drum.drum.observability.masking import stop_masking
from datarobot_drum.drum.settings import ModelSpec, Settings
from datarobot_drum.drum.training import FitJob, train

ROWS = "a,b,w,y\n" + "".join(f"{n},{n % 3},{1 + n % 2},{2 * n + 1}\n" for n in range(30))


@pytest.fixture(autouse=True)
def as_a_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what training does to its process: import path, module `custom`, masked output."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    stop_masking()
    sys.modules.pop("custom", None)


@pytest.fixture
def code_dir(tmp_path: Path) -> Path:
    """An empty model folder."""
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


@pytest.fixture
def write_code(code_dir: Path) -> Callable[[str], Path]:
    """`write_code(text)` writes custom.py."""

    def write(text: str) -> Path:
        (code_dir / "custom.py").write_text(textwrap.dedent(text))
        return code_dir

    return write


@pytest.fixture
def job(tmp_path: Path, code_dir: Path) -> FitJob:
    """Regression of `y` on 30 rows with two features, row weights left in."""
    (tmp_path / "data.csv").write_text(ROWS)
    spec = ModelSpec(str(code_dir), "regression")
    return FitJob(model=spec, input=str(tmp_path / "data.csv"), target="y")


@pytest.fixture
def run(job: FitJob) -> Callable[..., list[str]]:
    """`run(**changes)` trains the job with these fields changed; the lines that it told."""

    def run(**changes: Any) -> list[str]:
        told: list[str] = []
        environ = changes.pop("environ", {})
        model = replace(job.model, **changes.pop("model", {}))
        train(replace(job, model=model, **changes), Settings.load(environ), told.append)
        return told

    return run
