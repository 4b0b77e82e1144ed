"""Serves a model folder in process on one of the three fronts."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.contract.asgi_front import ASGIFront, EventLoopThread
from tests.contract.exchanges import PATIENCE, Answer, Request, plain
from tests.contract.wsgi_fronts import FlaskFront, GunicornFront

from datarobot_drum.drum import worker
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.fastapi.app import create_asgi_app
from datarobot_drum.drum.flask.app import create_wsgi_app
from datarobot_drum.drum.gunicorn import config as gunicorn_config
from datarobot_drum.drum.gunicorn.app import WorkerApp
from datarobot_drum.drum.gunicorn.context import WorkerCtx
from datarobot_drum.drum.lifecycle import get_worker_ctx
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.settings import ModelSpec, ServeSpec, Settings

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
FRONTS = ("flask", "gunicorn", "fastapi")


@dataclass(frozen=True)
class Served:
    """A model folder and how it is served: the command line and the environment as data.

    `labels` of a binary model are (positive, negative). `files` are copied beside the model:
    pairs of a path below the fixtures and a name in the folder. `pipes` are made there, for
    models that wait until a test writes to one.
    """

    folder: str
    target: str | None = "regression"
    labels: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    pipes: tuple[str, ...] = ()
    deployment: str | None = None
    error_server: bool = False
    show_perf: bool = False
    gpu_predictor: str | None = None
    triton_port: int = 0

    def with_environment(self, **variables: str) -> Served:
        """The same model with these variables set, too."""
        return replace(self, environment=(*self.environment, *variables.items()))

    def prepare(self, place: Path) -> ServeSpec:
        """Copy the folder to `place` and describe it as the command line would."""
        code_dir = place / "model"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(FIXTURES / "models" / self.folder, code_dir, ignore=ignored)
        for source, name in self.files:
            (code_dir / name).parent.mkdir(exist_ok=True)
            shutil.copy(FIXTURES / source, code_dir / name)
        for name in self.pipes:
            os.mkfifo(code_dir / name)
        is_binary = self.target == "binary" and len(self.labels) == 2
        positive, negative = self.labels if is_binary else (None, None)
        model = ModelSpec(
            code_dir=str(code_dir.resolve()),
            target_type=self.target,
            positive_class_label=positive,
            negative_class_label=negative,
            class_labels=None if is_binary or not self.labels else self.labels,
            deployment_config=self._deployment(place),
            gpu_predictor=self.gpu_predictor,
            sidecar=self.gpu_predictor is not None,
            triton_host="http://127.0.0.1",
            triton_http_port=self.triton_port,
        )
        return ServeSpec(model, with_error_server=self.error_server, show_perf=self.show_perf)

    def _deployment(self, place: Path) -> str | None:
        if self.deployment is None:
            return None
        path = place / "deployment.json"
        path.write_text(self.deployment)
        return str(path)


@dataclass
class Client:
    """Talks to one served model."""

    front: Any
    server: PredictionServer
    code_dir: Path
    exits: list[int] = field(default_factory=list)

    @property
    def loaded(self) -> Any:
        """The object that the folder's `load_model` returned."""
        loaded: Any = self.server.model
        return loaded.model

    def open(self, request: Request) -> Any:
        """Send a request; the answer can be read while it arrives."""
        return self.front.open(request)

    def send(self, request: Request) -> Answer:
        """Send a request and wait for the whole answer."""
        answer: Answer = self.open(request).answer()
        return answer

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET."""
        return self.send(Request("GET", path, plain(headers or {})))

    def post(
        self, path: str, body: bytes, content_type: str = "text/csv", **headers: str
    ) -> Answer:
        """POST."""
        return self.send(post(path, body, content_type, **headers))


def post(path: str, body: bytes, content_type: str = "text/csv", **headers: str) -> Request:
    """A POST request."""
    return Request("POST", path, plain({"Content-Type": content_type, **headers}), body)


@contextmanager
def serving(
    served: Served, front: str, place: Path, thread: EventLoopThread, *, wait: bool = True
) -> Iterator[Client]:
    """A client of `served` on the front of that name; with `wait`, once loading has ended."""
    spec = served.prepare(place)
    settings = Settings.load({"DRUM_ACCESS_LOG": "false", **dict(served.environment)})
    start = {"flask": _flask, "gunicorn": _gunicorn, "fastapi": _fastapi}[front]
    with _imports_restored(place), start(spec, settings, thread) as client:
        # a server that replaces itself must not end the process of the tests
        get_worker_ctx().end_process = lambda: None  # type: ignore[union-attr,method-assign]
        if wait:
            assert client.server.wait_until_loaded(PATIENCE)
        yield client


@contextmanager
def _flask(spec: ServeSpec, settings: Settings, thread: EventLoopThread) -> Iterator[Client]:
    server = worker.build_server(spec, settings, ServerType.FLASK)
    app = create_wsgi_app(server, spec, settings)
    client = Client(FlaskFront(app), server, Path(spec.model.code_dir))
    ctx = worker.ServerCtx(server, spec, settings)
    worker.start(ctx, client.exits.append)
    yield client
    ctx.drain()
    ctx.stop()
    ctx.cleanup()


@contextmanager
def _gunicorn(spec: ServeSpec, settings: Settings, thread: EventLoopThread) -> Iterator[Client]:
    server = worker.build_server(spec, settings, ServerType.GUNICORN)
    app = WorkerApp(WorkerCtx(server, spec, settings))
    arbiter_worker = SimpleNamespace(wsgi=app)
    client = Client(GunicornFront(app), server, Path(spec.model.code_dir))
    gunicorn_config.start_worker(arbiter_worker)
    yield client
    gunicorn_config.end_worker(None, arbiter_worker)


@contextmanager
def _fastapi(spec: ServeSpec, settings: Settings, thread: EventLoopThread) -> Iterator[Client]:
    exits: list[int] = []
    app: Any = create_asgi_app(spec, settings, exits.append)
    front = ASGIFront(app, thread)
    client = Client(front, app._server, Path(spec.model.code_dir), exits)
    front.begin()
    yield client
    front.end()


@contextmanager
def _imports_restored(place: Path) -> Iterator[None]:
    """Take back what loading a model folder in `place` does to the interpreter."""
    interval = sys.getswitchinterval()
    try:
        yield
    finally:
        # servers do not end in the order in which they began
        sys.path[:] = [folder for folder in sys.path if not folder.startswith(str(place))]
        sys.setswitchinterval(interval)
