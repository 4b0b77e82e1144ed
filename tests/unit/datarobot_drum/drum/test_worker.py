"""One worker from its environment to its end, with a real model."""

from __future__ import annotations

import gc
import io
import json
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datarobot_drum.drum import noticeboard, worker
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.errors import StartupError, UsageError
from datarobot_drum.drum.root_predictors.execution import CANCELLING_SECONDS
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.settings import ModelSpec, ServeSpec, Settings

CUSTOM = """
import threading
def load_model(code_dir):
    return threading.current_thread().name
def score(data, model):
    import pandas as pd
    return pd.DataFrame({"Predictions": [1.0] * len(data)})
"""


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., ServeSpec]:
    def spec(code: str = CUSTOM, deployment: object = None, **options: Any) -> ServeSpec:
        (tmp_path / "custom.py").write_text(code)
        path = tmp_path / "deployment.json"
        if deployment is not None:
            path.write_text(json.dumps(deployment))
        config = None if deployment is None else str(path)
        model = ModelSpec(str(tmp_path), "regression", deployment_config=config)
        return ServeSpec(model, **options)

    return spec


class Started:
    """A worker whose loading has ended."""

    def __init__(self, spec: ServeSpec, server: PredictionServer | None = None) -> None:
        settings = Settings.load({"DRUM_UVICORN_GRACEFUL_TIMEOUT": "10"})
        self.codes: list[int] = []
        self.server = server or worker.build_server(spec, settings, ServerType.FLASK)
        self.lifecycle = worker.ServerCtx(self.server, spec, settings)
        loaded = threading.Event()
        worker.start(self.lifecycle, self.codes.append)
        self.server.when_loaded(loaded.set)
        assert loaded.wait(30)

    def end(self) -> None:
        self.lifecycle.stop()
        self.lifecycle.cleanup()


def test_worker_reads_what_the_launcher_left(spec: Callable[..., ServeSpec]) -> None:
    sent = spec(logging_level="info", max_workers=3)
    found, settings = worker.from_environment(sent.environment())
    assert (found, settings.workers) == (sent, 3)
    assert logging.getLogger().level == logging.INFO


def test_failed_start_ends_the_worker_with_3_and_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def build() -> None:
        raise UsageError("bad port")

    with pytest.raises(SystemExit) as raised:
        worker.exit_on_failure(build)
    assert raised.value.code == worker.BOOT_FAILURE == 3
    assert caplog.messages == ["cannot start: bad port"]


def test_start_that_works_gives_what_was_built() -> None:
    assert worker.exit_on_failure(lambda: 7) == 7


@pytest.mark.parametrize(
    ("server_type", "running"),
    [(ServerType.FLASK, 1), (ServerType.GUNICORN, 1), (ServerType.FASTAPI, 4)],
)
def test_server_is_built_from_the_settings(
    server_type: ServerType, running: int, spec: Callable[..., ServeSpec]
) -> None:
    environ = {
        "DRUM_FASTAPI_EXECUTOR_WORKERS": "4",
        "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH": "7",
        "DRUM_FASTAPI_EXECUTOR_QUEUE_TIMEOUT": "8",
        "DRUM_CLIENT_REQUEST_TIMEOUT": "9",
        "DRUM_FASTAPI_MAX_UPLOAD_SIZE": "10",
        "URL_PREFIX": "/p",
    }
    server = worker.build_server(spec(show_perf=True), Settings.load(environ), server_type)
    assert (server.gate.max_running, server.gate.max_waiting) == (running, 7)
    assert (server.limits.queue_timeout, server.limits.deadline) == (8, 9)
    assert (server.max_body, server.prefix, server.show_perf) == (10, "/p", True)
    assert (server.server_name, server.state) == (server_type.value, State.STARTING)


def test_model_is_loaded_on_the_prediction_thread(spec: Callable[..., ServeSpec]) -> None:
    started = Started(spec())
    assert started.lifecycle.running()
    assert started.server.state is State.READY
    assert vars(started.server.model)["model"] == "prediction-0"
    assert sys.getswitchinterval() == pytest.approx(worker.SWITCH_INTERVAL)
    started.end()
    assert not started.lifecycle.running()
    assert not any(thread.is_alive() for thread in started.server.threads._threads)


def test_worker_of_an_arbiter_keeps_its_model_from_the_garbage_collector(
    spec: Callable[..., ServeSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noticeboard, "_own", [])
    gc.unfreeze()
    Started(spec()).end()
    assert gc.get_freeze_count() == 0
    noticeboard.take(noticeboard.Noticeboard())
    Started(spec()).end()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


def test_deployment_config_is_read_with_the_model(spec: Callable[..., ServeSpec]) -> None:
    target = {"name": "y", "class_mapping": None, "prediction_threshold": None}
    started = Started(spec(deployment={"target": target}))
    assert started.server.deployment is not None
    assert started.server.deployment.target_name == "y"
    started.end()


def test_model_that_fails_gives_the_worker_up(spec: Callable[..., ServeSpec]) -> None:
    started = Started(spec("import no_such_module"))
    started.end()
    assert started.codes == [worker.BOOT_FAILURE]
    assert started.server.state is State.FAILED


def test_model_that_fails_is_told_by_the_error_server(spec: Callable[..., ServeSpec]) -> None:
    started = Started(spec("import no_such_module", with_error_server=True))
    started.end()
    assert started.codes == []
    assert "No module named 'no_such_module'" in str(started.server.failure)


def fail() -> None:
    raise StartupError("no init_app")


def test_extension_that_fails_stops_the_start(spec: Callable[..., ServeSpec]) -> None:
    with pytest.raises(StartupError, match="no init_app"):
        worker.load_extension(PredictionServer(), spec(), fail)


def test_extension_that_fails_is_told_by_the_error_server(spec: Callable[..., ServeSpec]) -> None:
    server, serve_spec = PredictionServer(), spec(with_error_server=True)
    worker.load_extension(server, serve_spec, fail)
    assert str(server.failure) == "no init_app"
    started = Started(serve_spec, server)
    assert started.lifecycle.running()
    started.end()
    assert "custom" not in sys.modules


def test_extension_that_works_leaves_the_server_alone(spec: Callable[..., ServeSpec]) -> None:
    server = PredictionServer()
    worker.load_extension(server, spec(), lambda: None)
    assert server.state is State.STARTING


def test_prints_of_hooks_are_shown_at_once(
    spec: Callable[..., ServeSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", stdout)
    Started(spec()).end()
    assert stdout.line_buffering


def test_stdout_of_another_kind_is_left_as_it_is(
    spec: Callable[..., ServeSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    started = Started(spec())
    started.end()
    assert started.codes == []


@pytest.mark.parametrize("error", [SystemExit(5), ValueError("no")])
def test_any_failure_to_build_the_app_is_a_boot_failure(error: BaseException) -> None:
    def build() -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        worker.exit_on_failure(build)
    assert stop.value.code == worker.BOOT_FAILURE


def test_stop_waits_for_async_hooks_that_are_being_cancelled(
    spec: Callable[..., ServeSpec],
) -> None:
    started = Started(spec())
    started.server.wait_until_loaded(30)
    (step,) = [s for s in started.lifecycle._stops if s.description == "prediction threads"]
    assert worker.LAST_WORDS + CANCELLING_SECONDS < step.timeout < worker.CLEANUP_TIME
    started.end()
