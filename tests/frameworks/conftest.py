"""What the tests of frameworks share; each runs in its framework's environment, in one process."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.frameworks.training import LABELS, Data, make_data

from datarobot_drum.drum.predictors import load_model
from datarobot_drum.drum.predictors.hooked import PythonModel
from datarobot_drum.drum.settings import ModelSpec, Settings

OPTIONS: dict[str, dict[str, Any]] = {
    "binary": {"positive_class_label": "yes", "negative_class_label": "no"},
    "multiclass": {"class_labels": LABELS},
    "multilabel": {"class_labels": LABELS},
}

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ARTIFACTS.md"

Answer = Callable[..., pd.DataFrame]


@pytest.fixture
def data() -> Data:
    """The rows that everything here is trained on."""
    return make_data()


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Forget the test's `custom.py`."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    sys.modules.pop("custom", None)


@pytest.fixture
def documented_hook(tmp_path: Path) -> Callable[[str], None]:
    """`documented_hook(word)` puts the example of ARTIFACTS.md with that word into `custom.py`."""

    def write(word: str) -> None:
        blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        (code,) = [block for block in blocks if word in block]
        (tmp_path / "custom.py").write_text(code)

    return write


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., PythonModel]:
    """`load(target_type, environ)` is the model of the folder `tmp_path`."""

    def load(target_type: str, environ: Mapping[str, str] | None = None) -> PythonModel:
        spec = ModelSpec(str(tmp_path), target_type, **OPTIONS.get(target_type, {}))
        model = load_model(spec, Settings.load({"TARGET_NAME": "text", **(environ or {})}))
        assert isinstance(model, PythonModel)
        return model

    return load


@pytest.fixture
def answer(load: Callable[..., PythonModel]) -> Answer:
    """`answer(target_type, table, environ)` is what the folder `tmp_path` predicts."""

    def answer(
        target_type: str, table: pd.DataFrame, environ: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        return load(target_type, environ).predict_table(table, None).frame

    return answer
