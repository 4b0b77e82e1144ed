"""Models behind a stand-in for an inference server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stand_ins.inference_server import InferenceServer

from datarobot_drum.drum.predictors import load_model
from datarobot_drum.drum.settings import ModelSpec, Settings

Load = Callable[..., Any]


@pytest.fixture
def load(
    inference_server: InferenceServer,
    clients_path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Load]:
    """`load(hooks, target_type=…, **environment)`: a model attached to the stand-in."""
    monkeypatch.syspath_prepend(clients_path)
    models = []

    def make(hooks: str = "", gpu_predictor: str = "nim", **options: Any) -> Any:
        target_type = options.pop("target_type", "textgeneration")
        if hooks:
            (tmp_path / "custom.py").write_text(hooks)
        environment = {**inference_server.environment, **options}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        spec = ModelSpec(
            str(tmp_path),
            target_type,
            gpu_predictor=gpu_predictor,
            sidecar=True,
            triton_host="http://127.0.0.1",
            triton_http_port=inference_server.port,
        )
        models.append(load_model(spec, Settings.load(environment)))
        return models[-1]

    yield make
    for model in models:
        model.terminate()
    sys.modules.pop("custom", None)
