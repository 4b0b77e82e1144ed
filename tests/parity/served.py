"""The servers that are compared: model folders, settings, and one server of each type for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.conftest import RunningServer, ServerContext
from tests.contract.cases import models
from tests.contract.serving import Served
from tests.operations.fronts import FLASK, PRODUCTION, Front, wait_for
from tests.parity.wire import Line, Received, Sent

from datarobot_drum.drum.settings import ModelSpec

GUNICORN, GEVENT, FASTAPI = (PRODUCTION[place] for place in (0, 2, 3))
#: One server of each type; the long form adds the other worker class that keeps connections.
TYPES: tuple[Front, ...] = (FLASK, GUNICORN, FASTAPI)
ALL_FRONTS: tuple[Front, ...] = (*TYPES, GEVENT)

WITNESS = Served("witness")
MIRROR = Served("mirror", "unstructured")
#: Every setting that changes what is answered, at once.
SET_UP = Served(
    "witness",
    environment=(
        ("URL_PREFIX", "/pre/fix"),
        ("DRUM_CORS_ENABLED", "true"),
        ("DRUM_CORS_ORIGINS", "https://app.example"),
        ("DRUM_FASTAPI_ENABLE_DOCS", "true"),
        ("DRUM_ENABLE_UI", "true"),
        ("DRUM_FASTAPI_MAX_UPLOAD_SIZE", "200"),
    ),
    show_perf=True,
)
#: A model that cannot be loaded, behind the error server.
BROKEN = Served("broken_load", error_server=True)

#: Folders of the grid, by the names that reports give them; their servers are those of the
#: generated requests, too.
GRID = {"tells what arrived": WITNESS, "tells all, unstructured": MIRROR, "settings": SET_UP}
LONG_GRID = {
    **GRID,
    "error server": BROKEN,
    "regression": models.REGRESSION,
    "unstructured": models.UNSTRUCTURED,
    "linear": models.LINEAR,
    "linear, no metrics": models.LINEAR.with_environment(DRUM_METRICS_ENABLED="false"),
    "binary": models.BINARY,
    "binary, labels beyond ASCII": Served("binary", "binary", ("caf\u00e9", "\u2603")),
    "multiclass": models.MULTICLASS,
    "multilabel": models.MULTILABEL,
    "geopoint": models.GEOPOINT,
    "text generation": models.TEXT,
    "text generation, plain": models.TEXT_PLAIN,
    "transform": models.TRANSFORM,
    "sparse transform": models.SPARSE_TRANSFORM,
    "hooks that read": models.READING,
    "user errors": models.USER_ERRORS,
    "chat on regression": models.CHAT_ON_REGRESSION,
    "binary, platform format": models.deployed(
        models.BINARY, [["spam", 1], ["ham", 0]], type="Binary"
    ),
    "markup in texts": Served(
        "hostile_text", "textgeneration", environment=(("TARGET_NAME", "answer"),)
    ),
}


@dataclass
class Fleet:
    """Servers of one model folder, by the names of their fronts, and a connection to each."""

    lines: dict[str, Line]

    def ask(self, sent: Sent) -> dict[str, Received]:
        """The answers of all servers, which work at the same time."""
        data = sent.data
        for line in self.lines.values():
            line.send(data)
        return {name: line.receive(sent.method) for name, line in self.lines.items()}


@contextmanager
def fleet(
    running_server: ServerContext, served: Served, place: Path, fronts: tuple[Front, ...]
) -> Iterator[Fleet]:
    """A server of each front for one copy of the folder, so that its path is the same for all."""
    model = served.prepare(place).model
    options = _options(served, model)
    with ExitStack() as stack:
        servers: dict[str, RunningServer] = {}
        for front in fronts:
            starting = running_server(
                model.code_dir,
                *options,
                server_type=front.server_type,
                env={**dict(served.environment), **front.environment},
                wait=False,
            )
            servers[front.name] = stack.enter_context(starting)
        for server in servers.values():
            wait_until_loaded(server, dict(served.environment).get("URL_PREFIX", ""))
        lines = {name: Line(server.port) for name, server in servers.items()}
        for line in lines.values():
            stack.callback(line.hang_up)
        # all at once: each waits until it has drained
        for server in servers.values():
            stack.callback(server.process.terminate)
        yield Fleet(lines)


def _options(served: Served, model: ModelSpec) -> list[str]:
    """The command line for a model."""
    pairs = {
        "--target-type": model.target_type,
        "--positive-class-label": model.positive_class_label,
        "--negative-class-label": model.negative_class_label,
        "--deployment-config": model.deployment_config,
    }
    options = [word for name, value in pairs.items() if value for word in (name, value)]
    if model.class_labels:
        options += ["--class-labels", *model.class_labels]
    flags = {"--with-error-server": served.error_server, "--show-perf": served.show_perf}
    return [*options, *(name for name, is_set in flags.items() if is_set)]


def wait_until_loaded(server: RunningServer, prefix: str) -> None:
    """Return when the model is there, or could not be loaded."""

    def is_over() -> bool:
        assert server.process.poll() is None, server.log[-4000:]
        try:
            return server.get(f"{prefix}/health/").status_code in (200, 513)
        except httpx.TransportError:
            return False

    wait_for(is_over, "the model")
