"""The life of one worker, the same on every front: build the server, load the model, clean up."""

from __future__ import annotations

import gc
import logging
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from datarobot_drum.drum import forks, noticeboard, processes, thread_errors
from datarobot_drum.drum.enum import SERVE_SPEC_VARIABLE, ServerType
from datarobot_drum.drum.errors import DrumError, StartupError
from datarobot_drum.drum.lifecycle import CleanupOrder, WorkerLifecycle, set_worker_ctx
from datarobot_drum.drum.observability import otel
from datarobot_drum.drum.observability.logs import setup_logging
from datarobot_drum.drum.observability.metric_files import MetricFiles
from datarobot_drum.drum.observability.sinks import log_errors, start_telemetry
from datarobot_drum.drum.root_predictors.execution import CANCELLING_SECONDS
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.root_predictors.status_page import StatusPage
from datarobot_drum.drum.root_predictors.worker_figures import WorkerFigures, make_metrics
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


#: Seconds that answers need to reach their clients once their requests are at an end.
LAST_WORDS = 1.0

#: Seconds between two looks at the requests that a stop waits for.
POLL_PERIOD = 0.02

#: Seconds that stopping and cleaning up may take after the time of the requests.
CLEANUP_TIME = 10.0

#: Cleaned up when everybody had a chance to end his own, before the finish line.
LEFT_BEHIND = -5

#: Seconds at most that the requests of a worker have whose slots are all stuck.
REPLACED_TIME = 5.0

#: Seconds that a model has to end its processes (TERM, 10 s, KILL, 5 s).
MODEL_TIMEOUT = 16.0


class ServerCtx(WorkerLifecycle):
    """The lifecycle of a worker that serves a model; contexts of the fronts are kinds of it.

    `drain`, then `expire` when the time of the requests is over, then `stop` and `cleanup`.
    """

    def __init__(self, server: PredictionServer, spec: ServeSpec, settings: Settings) -> None:
        super().__init__()
        self.server = server
        self.spec = spec
        self.settings = settings
        self._grace = float(settings.graceful_timeout)
        self._requests_end: float | None = None
        self._is_over = False
        # a queue, because a signal handler may be interrupted by another one
        self._drained: queue.SimpleQueue[None] = queue.SimpleQueue()
        # extensions and hooks register what they need to have closed
        set_worker_ctx(self)

    def start(self) -> None:
        """As in every lifecycle; from here on requests end when their time is over."""
        super().start()
        threading.Thread(target=self._watch, name="drain", daemon=True).start()

    def _watch(self) -> None:
        self._drained.get()
        while (left := self.requests_left()) and not self._is_over:
            time.sleep(min(left, POLL_PERIOD))
        self.expire()

    def begin_drain(self) -> float:
        """What SIGTERM does first; the seconds for which this worker still has to listen."""
        delay = self.settings.pre_stop_delay if noticeboard.own().server_stops else 0.0
        self.drain(delay)
        return delay

    def kill_at_end(self) -> None:
        """Have the kernel end this process if its own end takes too long; main thread only.

        Whatever holds it up then, a hook in native code perhaps, and nobody may be there to kill
        it.
        """
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(math.ceil(self.requests_left() + CLEANUP_TIME + 1))

    def drain(self, delay: float = 0) -> None:
        """Let `/readyz` answer 503; requests are answered for `delay` and the graceful timeout.

        The end of all steps follows from the first call.
        """
        super().drain()
        self.server.drain()
        noticeboard.own().leaving = True
        if self._requests_end is None:
            is_loading = self.server.state is State.STARTING
            self._set_end(0 if is_loading else delay + self._grace)
            self._drained.put(None)

    def expire(self) -> None:
        """End what is still waiting or running; streams end with an event that says so."""
        self.server.expire()

    def hurry(self) -> None:
        """Give running requests no more time."""
        self.drain()
        self._set_end(0)

    def replace(self, reason: str) -> None:
        """As in every lifecycle; hooks that are stuck do not hold the end up."""
        self._grace = min(self._grace, REPLACED_TIME)
        super().replace(reason)

    def _set_end(self, seconds: float) -> None:
        self._requests_end = time.monotonic() + seconds
        self.end_by(self._requests_end + CLEANUP_TIME)

    def requests_left(self) -> float:
        """Seconds that running requests still have."""
        if self._requests_end is None:
            return self._grace
        return max(self._requests_end - time.monotonic(), 0)

    def stop(self) -> None:
        """Wait for the requests, for as long as they have time; end those that are left; stop."""
        self.drain()
        while self.server.threads.is_busy and self.requests_left():
            time.sleep(POLL_PERIOD)
        self._is_over = True
        self.expire()
        super().stop()


def from_environment(environ: Mapping[str, str] = os.environ) -> tuple[ServeSpec, Settings]:
    """What the launcher told this process to serve, and how; logging is set up on the way."""
    spec = ServeSpec.from_json(environ[SERVE_SPEC_VARIABLE])
    # the launcher has warned of bad values
    settings = Settings.load(environ, warn=False, workers=spec.max_workers)
    setup_logging(
        spec.logging_level, as_json=settings.json_logging, server_level=settings.server_log_level
    )
    return spec, settings


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
    server = PredictionServer(
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
        max_async=settings.max_concurrent_requests if server_type is ServerType.FASTAPI else 0,
        max_bytes_held=settings.max_body_bytes_held,
        workers=1 if server_type is ServerType.FLASK else settings.workers,
        server_spans=settings.otel_server_spans and otel.is_wanted(settings),
        enable_docs=settings.enable_docs,
    )
    if settings.enable_ui:
        server.show_status_page(StatusPage.of(spec, settings))
    if settings.metrics_enabled:
        files = MetricFiles.from_environment()
        metrics = make_metrics(server.server_name, server.prefix, files)
        server.figures = WorkerFigures(server, metrics)
    log_errors(server.recorder, settings)
    return server


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


def start(ctx: ServerCtx, give_up: Callable[[int], None]) -> None:
    """Load the model on the first prediction thread and register what must be cleaned up.

    When loading fails and no error server was asked for, `give_up` gets the exit code; it is
    called on that thread and must end the process. When the model does not return any more,
    the context replaces the worker.
    """
    server, spec, board = ctx.server, ctx.spec, noticeboard.own()
    sys.setswitchinterval(SWITCH_INTERVAL)
    forks.free_children()
    thread_errors.end_on_unrecoverable()
    server.flusher.start()

    def load() -> None:
        server.load(lambda: _build_model(server, spec, ctx.settings))
        if server.failure is None:
            board.ready = True
            server.model.when_failed(fail)
        elif spec.with_error_server and not board.must_wait:
            board.ready = True
        else:
            # where others serve, they are a better answer than 513
            give_up(BOOT_FAILURE)

    def fail(error: StartupError) -> None:
        server.fail(error)
        if not spec.with_error_server:
            give_up(BOOT_FAILURE)

    ctx.start()
    start_telemetry(server.recorder, ctx.settings, ctx)
    ctx.defer_cleanup(processes.end_children, desc="processes of the model", order=LEFT_BEHIND)
    ctx.defer_cleanup(server.flusher.stop, order=CleanupOrder.PRINTS, desc="prints")
    ctx.defer_cleanup(_say_goodbye, order=CleanupOrder.FINISHED, desc="finish line")
    if server.failure is not None:
        board.ready = True
        return
    _end_with(ctx, server)
    if server.figures is not None:
        server.figures.start()
    if ctx.settings.memory_leak_enabled:
        _watch_memory(ctx)
    server.threads.start(load)
    server.stuck.start(ctx.replace)


def _end_with(ctx: ServerCtx, server: PredictionServer) -> None:
    ctx.defer_stop(server.stuck.stop, desc="watch of stuck slots")
    ctx.defer_stop(
        lambda: server.threads.stop(LAST_WORDS),
        desc="prediction threads",
        timeout=LAST_WORDS + CANCELLING_SECONDS + 1,
    )
    ctx.defer_cleanup(
        server.terminate, order=CleanupOrder.MODEL, desc="model", timeout=MODEL_TIMEOUT
    )
    if server.figures is not None:
        ctx.defer_stop(server.figures.stop, order=1, desc="figures")


def _watch_memory(ctx: ServerCtx) -> None:
    from datarobot_drum.drum.memory_trend import MemoryLeakDetector
    from datarobot_drum.drum.root_predictors.memory_watch import MemoryWatch

    server, settings = ctx.server, ctx.settings
    detector = MemoryLeakDetector(
        settings.memory_leak_sample_window, settings.memory_leak_threshold_mb
    )
    show = (lambda growth: None) if server.figures is None else server.figures.show_growth
    watch = MemoryWatch(detector, lambda: int(server.gate.figures()["accepted"]), show)
    watch.start()
    ctx.defer_stop(watch.stop, desc="memory trend")


def _spare_the_collector() -> None:
    """Let later collections pass over the model and its libraries, which are there to stay.

    A full one stops all threads for as long as it looks at each object: 0.15 s with pandas and
    scikit-learn loaded, at times in the middle of a request. Only for processes that end with
    their model: what is garbage later stays.
    """
    gc.collect()
    gc.freeze()


def _say_goodbye() -> None:
    logger.info("<<< Finish drum in the server mode")


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
    if noticeboard.own().is_shared:
        _spare_the_collector()
    return model, deployment
