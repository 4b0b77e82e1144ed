"""The life of one worker, the same on every front: build the server, load the model, clean up."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from datarobot_drum.drum import forks
from datarobot_drum.drum.enum import SERVE_SPEC_VARIABLE, ServerType
from datarobot_drum.drum.errors import DrumError, StartupError
from datarobot_drum.drum.lifecycle import WorkerLifecycle
from datarobot_drum.drum.observability.logs import setup_logging
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.settings import ServeSpec, Settings

if TYPE_CHECKING:
    from datarobot_drum.drum.payloads.platform import DeploymentConfig
    from datarobot_drum.drum.predictors import Model

T = TypeVar("T")

logger = logging.getLogger("drum.worker")

#: Exit code of a worker whose model could not be loaded; the Gunicorn arbiter then stops too.
BOOT_FAILURE = 3

#: Seconds that a busy thread keeps the interpreter while another one wants it. The default (5 ms)
#: delays every answer that a prediction thread hands to its front.
SWITCH_INTERVAL = 0.0005


def from_environment(environ: Mapping[str, str] = os.environ) -> tuple[ServeSpec, Settings]:
    """What the launcher told this process to serve, and how; logging is set up on the way."""
    spec = ServeSpec.from_json(environ[SERVE_SPEC_VARIABLE])
    setup_logging(spec.logging_level)
    # the launcher has warned of bad values
    return spec, Settings.load(environ, warn=False, workers=spec.max_workers)


def exit_on_failure(build: Callable[[], T]) -> T:
    """What `build` makes; a failure is logged and ends this worker, and so the arbiter.

    Any other exit code than that of a boot failure would make the arbiter try for ever.
    """
    try:
        return build()
    except DrumError as error:
        logger.error("cannot start: %s", error)
        raise SystemExit(BOOT_FAILURE) from error
    except (Exception, SystemExit) as error:
        logger.exception("cannot start")
        raise SystemExit(BOOT_FAILURE) from error


def build_server(spec: ServeSpec, settings: Settings, server_type: ServerType) -> PredictionServer:
    """The server without its model: routes can be registered and probes answered."""
    return PredictionServer(
        server_name=server_type.value,
        executor_workers=_executor_workers(spec, settings, server_type),
        queue_depth=settings.queue_depth,
        queue_timeout=settings.queue_timeout,
        request_timeout=settings.request_timeout,
        show_perf=spec.show_perf,
        show_stacktrace=spec.show_stacktrace,
        prefix=settings.url_prefix,
        max_body=settings.max_upload_size,
        max_forwards=settings.max_concurrent_requests,
        enable_docs=settings.enable_docs,
    )


def _executor_workers(spec: ServeSpec, settings: Settings, server_type: ServerType) -> int:
    if spec.model.gpu_predictor is not None:
        # the threads only wait for an inference server, which is fastest with many requests
        return settings.max_concurrent_requests
    return settings.executor_workers if server_type is ServerType.FASTAPI else 1


def load_extension(server: PredictionServer, spec: ServeSpec, load: Callable[[], None]) -> None:
    """Load the folder's server extension; with an error server its failure is told by 513."""
    try:
        load()
    except DrumError as error:
        if not spec.with_error_server:
            raise
        server.fail(error)


def start(
    server: PredictionServer,
    spec: ServeSpec,
    settings: Settings,
    lifecycle: WorkerLifecycle,
    give_up: Callable[[int], None],
) -> None:
    """Load the model on the first prediction thread and register what must be cleaned up.

    When loading fails and no error server was asked for, `give_up` gets the exit code; it is
    called on that thread and must end the process.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    forks.free_children()
    _show_prints_at_once()

    def load() -> None:
        server.load(lambda: _build_model(server, spec, settings))
        if server.failure is None:
            server.model.when_failed(fail)
        elif not spec.with_error_server:
            give_up(BOOT_FAILURE)

    def fail(error: StartupError) -> None:
        server.fail(error)
        if not spec.with_error_server:
            give_up(BOOT_FAILURE)

    lifecycle.start()
    if server.failure is not None:
        return
    lifecycle.defer_stop(
        lambda: server.threads.stop(settings.graceful_timeout), desc="prediction threads"
    )
    lifecycle.defer_cleanup(server.terminate, desc="model")
    server.threads.start(load)


def _build_model(
    server: PredictionServer, spec: ServeSpec, settings: Settings
) -> tuple[Model, DeploymentConfig | None]:
    # imported on the prediction thread, so that the socket answers probes meanwhile
    from datarobot_drum.drum.payloads.platform import load_deployment_config
    from datarobot_drum.drum.predictors import load_model

    path = spec.model.deployment_config
    deployment = load_deployment_config(path) if path else None
    model = load_model(spec.model, settings)
    if spec.model.reports is not None:
        from datarobot_drum.drum.platform_services.mlops import start_reports

        try:
            server.reports = start_reports(spec.model, settings, model.rules)
        except DrumError:
            model.terminate()
            raise
    return model, deployment


def _show_prints_at_once() -> None:
    # a pipe is block-buffered by default, which would keep a hook's prints from the log
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)
