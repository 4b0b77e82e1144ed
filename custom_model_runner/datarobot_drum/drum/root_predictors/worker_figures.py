"""What a worker tells about itself, taken now and then: queue, state, memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from datarobot_drum import __version__
from datarobot_drum.drum.observability.metrics import Metrics
from datarobot_drum.drum.observability.record import Record, Recorder
from datarobot_drum.drum.resource_monitor import ResourceMonitor
from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.root_predictors.routes import ROUTES, Kind

if TYPE_CHECKING:
    from datarobot_drum.drum.observability.metric_files import MetricFiles
    from datarobot_drum.drum.predictors import Model

logger = logging.getLogger("drum.metrics")

#: Seconds between two looks. Other workers are asked through files, so these are as old as that.
PERIOD = 1.0

#: figures of the gate, and the gauges that show them
GATE_GAUGES = {
    "running": "drum_executor_workers_busy",
    "waiting": "drum_executor_queue_depth",
    "max_running": "drum_executor_workers",
    "max_waiting": "drum_executor_queue_limit",
    "bytes_held": "drum_body_bytes_held",
    "oldest_waiting_seconds": "drum_oldest_request_seconds",
}
#: figures of the gate that only grow, and the counters with their labels
GATE_COUNTERS: dict[str, tuple[str, ...]] = {
    "accepted": ("drum_requests_accepted_total",),
    "rejected": ("drum_requests_rejected_total", "queue_full"),
    "timed_out": ("drum_requests_timed_out_total",),
    "deadline_exceeded": ("drum_requests_deadline_exceeded_total",),
    "abandoned": ("drum_requests_abandoned_total",),
}


class Watched(Protocol):
    """What is looked at of a prediction server."""

    state: State
    model: Model
    gate: ProductionBackpressure
    monitor: ResourceMonitor
    recorder: Recorder

    def when_loaded(self, notify: Callable[[], None]) -> None:
        """Call `notify` when loading has ended."""


def make_metrics(server_type: str, prefix: str, files: MetricFiles | None) -> Metrics:
    """Metrics that know the table of routes; `files` are those of all workers."""
    templates = {prefix + path: r.paths[0] for r in ROUTES for path in r.all_paths}
    predictions = [
        (method, route.paths[0])
        for route in ROUTES
        if route.kind is Kind.MODEL
        for method in route.methods
    ]
    return Metrics(server_type, predictions, templates, files)


class WorkerFigures:
    """Shows the figures of one worker in its metrics, every second and when it is asked."""

    def __init__(self, server: Watched, metrics: Metrics) -> None:
        self._server = server
        self._metrics = metrics
        self._lock = threading.Lock()
        self._counted = dict.fromkeys(GATE_COUNTERS, 0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)
        self._started = time.monotonic()
        metrics.add("drum_worker_starts_total", 1)
        server.recorder.add(metrics.record)
        server.recorder.add(self._note_failure)

    def start(self) -> None:
        """Begin to look; `stop` ends that."""
        self._server.when_loaded(self._show_model)
        self._thread.start()

    def stop(self) -> None:
        """Take a last look."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(PERIOD)
        self.show()

    def page(self) -> bytes:
        """The text of `/metrics`; TimeoutError when files of other workers cannot be read."""
        self._try(self.show)
        return self._metrics.page()

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD):
            self._try(self.show)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:
            # figures must never cost more than themselves
            logger.exception("cannot tell the figures of this worker")

    def _note_failure(self, record: Record) -> None:
        # what was turned away or given up is told at once: nothing is lost when the worker dies
        if record.status >= 500 or not record.status:
            self._show_gate()

    def show(self) -> None:
        """Bring all gauges and counters up to date; it reads files of the kernel."""
        self._show_gate()
        for state in State:
            self._metrics.set("drum_workers", state is self._server.state, state.value)
        for kind, size in self._server.monitor.process_memory().items():
            self._metrics.set("drum_memory_bytes", size, kind)
        for kind, size in self._server.monitor.container_bytes().items():
            self._metrics.set("drum_container_memory_bytes", size, kind)

    def show_growth(self, growth: float) -> None:
        """Show by how many bytes memory grows with each request."""
        self._metrics.set("drum_memory_growth_bytes_per_request", growth)

    def _show_gate(self) -> None:
        with self._lock:
            figures = self._server.gate.figures()
            for name in GATE_COUNTERS.keys() & figures.keys():
                count = int(figures[name])
                more, self._counted[name] = count - self._counted[name], count
                self._metrics.add(GATE_COUNTERS[name][0], more, *GATE_COUNTERS[name][1:])
        for name in GATE_GAUGES.keys() & figures.keys():
            self._metrics.set(GATE_GAUGES[name], figures[name])
        in_progress = figures["running"] + figures["waiting"]
        self._metrics.set("drum_predictions_in_progress", in_progress)

    def _show_model(self) -> None:
        server = self._server
        if server.state is not State.READY:
            return
        self._metrics.set("drum_model_load_seconds", time.monotonic() - self._started)
        info = server.model.info()
        facts = [str(info.get(key) or "") for key in ("targetType", "language", "predictor")]
        self._metrics.set("drum_model_info", 1, __version__, *facts)
