"""PythonModel folders in temporary places; each test imports its own `custom.py`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datarobot_drum.drum.predictors import load_model
from datarobot_drum.drum.predictors.hooked import PythonModel
from datarobot_drum.drum.settings import ModelSpec, Settings

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures"
LOAD = "def load_model(code_dir):\n    return 'model'\n"
EXTRA_OPTIONS: dict[str, dict[str, Any]] = {
    "binary": {"positive_class_label": "yes", "negative_class_label": "no"},
    "multiclass": {"class_labels": ("a", "b", "c")},
}


@pytest.fixture
def load_folder(tmp_path: Path) -> Callable[..., PythonModel]:
    """`load_folder(target_type, **environ)` is the model of the folder `tmp_path` as it is."""

    def load_folder(target_type: str | None = "regression", **environ: str) -> PythonModel:
        options = EXTRA_OPTIONS.get(target_type or "", {})
        spec = ModelSpec(str(tmp_path), target_type, **options)
        model = load_model(spec, Settings.load({"TARGET_NAME": "text", **environ}))
        assert isinstance(model, PythonModel)
        return model

    return load_folder


@pytest.fixture
def load(tmp_path: Path, load_folder: Callable[..., PythonModel]) -> Callable[..., PythonModel]:
    """`load(code, target_type, **environ)` puts `code` and a `load_model` hook there first."""

    def load(code: str, target_type: str = "regression", **environ: str) -> PythonModel:
        (tmp_path / "custom.py").write_text(LOAD + textwrap.dedent(code))
        return load_folder(target_type, **environ)

    return load


@pytest.fixture
def on_path(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """`on_path(Rscript="standin_rscript.py")` makes a fixture a program, the only one on PATH."""

    def make(**programs: str) -> Path:
        folder = tmp_path_factory.mktemp("bin")
        for name, script in programs.items():
            program = folder / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FIXTURES / script}" "$@"\n')
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return folder

    return make
