"""Model folders in temporary places; each test imports its own `custom.py`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datarobot_drum.drum.predictors import Model, load_model
from datarobot_drum.drum.settings import ModelSpec, Settings

LOAD = "import pandas as pd\ndef load_model(code_dir):\n    return 'model'\n"


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Forget the test's `custom.py` and where it was."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in ("custom", "datarobot_dome", "datarobot_dome.drum_integration"):
        sys.modules.pop(name, None)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Model]:
    """`load(code, target_type, **environ)` is the model of a folder with that `custom.py`."""

    def load(code: str, target_type: str = "textgeneration", **environ: Any) -> Model:
        (tmp_path / "custom.py").write_text(LOAD + textwrap.dedent(code))
        settings = Settings.load({"TARGET_NAME": "text", **environ})
        return load_model(ModelSpec(str(tmp_path), target_type), settings)

    return load
