"""Real models in temporary folders, and servers around them; nothing listens on a port."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datarobot_drum.drum.predictors import Model, load_model
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import ROUTES
from datarobot_drum.drum.settings import ModelSpec, Settings

LOAD = "def load_model(code_dir):\n    return 'model'\n"
EXTRA_OPTIONS: dict[str, dict[str, Any]] = {
    "binary": {"positive_class_label": "yes", "negative_class_label": "no"},
    "multiclass": {"class_labels": ("a", "b", "c")},
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Model]:
    """`load(code, target_type, **environ)` is the model of a folder with that `custom.py`."""

    def load(code: str, target_type: str = "regression", **environ: str) -> Model:
        (tmp_path / "custom.py").write_text(LOAD + textwrap.dedent(code))
        spec = ModelSpec(str(tmp_path), target_type, **EXTRA_OPTIONS.get(target_type, {}))
        return load_model(spec, Settings.load({"TARGET_NAME": "text", **environ}))

    return load


@pytest.fixture
def serve(load: Callable[..., Model]) -> Callable[..., PredictionServer]:
    """`serve(code, target_type, **options)` is a server that is ready; its threads do not run."""

    def serve(code: str, target_type: str = "regression", **options: Any) -> PredictionServer:
        server = PredictionServer(**options)
        server.load(lambda: (load(code, target_type), None))
        assert server.failure is None
        return server

    return serve


@pytest.fixture
def run(serve: Callable[..., PredictionServer]) -> Iterator[Callable[..., PredictionServer]]:
    """As `serve`, with prediction threads, which have ended when the test has."""
    servers: list[PredictionServer] = []

    def run(*args: Any, **options: Any) -> PredictionServer:
        servers.append(serve(*args, **options))
        servers[-1].threads.start(lambda: None)
        # a stop does not wait for a load that goes on
        assert servers[-1].threads._loaded.wait(10)
        return servers[-1]

    yield run
    for server in servers:
        server.threads.stop(10)
        assert not any(thread.is_alive() for thread in server.threads._threads)


@pytest.fixture
def ask() -> Callable[..., Reply]:
    """`ask(server, route_name, body, content_type, headers)` is the answer of the core."""

    def ask(
        server: PredictionServer,
        name: str,
        body: bytes = b"",
        content_type: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        query: str = "",
    ) -> Reply:
        route = next(route for route in ROUTES if route.name == name)
        request = RequestAdapter(
            route.methods[0],
            route.paths[0],
            query,
            headers,
            content_type,
            SpooledUploadFile.of(body) if body else None,
        )
        return server.handle(route, request)

    return ask
