"""Answers about the server itself: probes, info, capabilities, stats."""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from datarobot_drum import __version__
from datarobot_drum.drum.errors import DrumError, NotFound, NotReady, Overloaded, StartupError
from datarobot_drum.drum.observability.masking import masked
from datarobot_drum.drum.observability.metrics import CONTENT_TYPE
from datarobot_drum.drum.observability.record import Recorder
from datarobot_drum.drum.observability.stats import Timings
from datarobot_drum.drum.payloads import status_json
from datarobot_drum.drum.resource_monitor import ResourceMonitor, mib
from datarobot_drum.drum.root_predictors.replies import Reply

if TYPE_CHECKING:
    from datarobot_drum.drum.platform_services.reporting import Reports
    from datarobot_drum.drum.predictors import Model
    from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure
    from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
    from datarobot_drum.drum.root_predictors.stuck import StuckWatch

OK = b'{"message":"OK"}\n'


class State(Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STUCK = "stuck"
    FAILED = "failed"


STUCK = "the model does not return and this worker is replaced; try again"
#: The states in which there is a model.
LOADED = frozenset({State.READY, State.DRAINING, State.STUCK})


class Figures(Protocol):
    """What a worker tells of itself to those who watch it."""

    def start(self) -> None:
        """Begin to look at it."""

    def stop(self) -> None:
        """Take a last look."""

    def show_growth(self, growth: float) -> None:
        """Show by how many bytes memory grows with each request."""

    def page(self) -> bytes:
        """The text of `/metrics`; TimeoutError when it cannot be told now."""


class ProbesMixin:
    """The operations of the probe and status routes; the host sets the attributes."""

    model: Model
    state: State
    failure: StartupError | None
    server_name: str
    show_perf: bool
    timings: Timings
    monitor: ResourceMonitor
    gate: ProductionBackpressure
    stuck: StuckWatch
    reports: Reports
    figures: Figures | None
    recorder: Recorder
    workers: int
    started: float

    def unavailable(self) -> DrumError | None:
        """Why model routes cannot be answered now, if so."""
        if self.state is State.READY:
            return None
        if self.failure is not None:
            # a new one each time: an exception keeps the frames of every place that raised it
            return type(self.failure)(str(self.failure))
        if self.state is State.DRAINING:
            return NotReady("the server is shutting down; try another one")
        if self.state is State.STUCK:
            return NotReady(STUCK)
        return NotReady("the model is still loading; try again later")

    def ping(self, request: RequestAdapter) -> Reply:
        """200 once the model is there."""
        return Reply(body=OK)

    def health(self, request: RequestAdapter) -> Reply:
        """200 once the model is there, 503 before, 513 when it could not be loaded."""
        error = self.unavailable()
        if error is not None:
            raise error
        return Reply(body=OK)

    def livez(self, request: RequestAdapter) -> Reply:
        """200 as long as the worker answers, or is about to be replaced because it is stuck."""
        if self.state is State.STUCK and not self.stuck.is_being_replaced:
            return self._probe(good=False)
        return Reply(body=b'{"status":"alive"}\n')

    def readyz(self, request: RequestAdapter) -> Reply:
        """200 when requests are welcome; 503 with the state otherwise."""
        return self._probe(self.state is State.READY)

    def startupz(self, request: RequestAdapter) -> Reply:
        """200 from the moment the model was loaded."""
        return self._probe(self.state in LOADED)

    def _probe(self, good: bool, **more: str) -> Reply:
        facts: dict[str, Any] = {"status": self.state.value, **more}
        if self.failure is not None:
            facts["message"] = f"ERROR: {masked(str(self.failure))}"
        return Reply(status=200 if good else 503, body=status_json(facts))

    def info(self, request: RequestAdapter) -> Reply:
        """What model and server this is."""
        facts = self.model.info()
        facts |= {"drumVersion": __version__, "drumServer": self.server_name}
        return Reply(body=status_json(facts))

    def capabilities(self, request: RequestAdapter) -> Reply:
        """Payload formats and methods."""
        return Reply(
            body=status_json(
                {
                    "supported_payload_formats": dict(self.model.payload_formats),
                    "supported_methods": {"chat": self.model.can_chat},
                }
            )
        )

    def metrics(self, request: RequestAdapter) -> Reply:
        """The figures of all workers for Prometheus."""
        if self.figures is None:
            raise NotFound("metrics are off; set DRUM_METRICS_ENABLED to true")
        try:
            return Reply(body=self.figures.page(), content_type=CONTENT_TYPE)
        except TimeoutError as error:
            raise Overloaded(f"the figures cannot be read now: {error}", 1) from error

    def stats(self, request: RequestAdapter) -> Reply:
        """Memory, timings since the last call (with `--show-perf`), and this worker's figures.

        `server` is the worker that answers: seconds of its life, requests that it has answered
        (this one not yet), MiB of its memory.
        """
        process = self.monitor.process_info()
        nothing = dict.fromkeys(("min", "max", "avg", "total"))
        sizes = self.monitor.process_memory()
        server: dict[str, Any] = {
            "state": self.state.value,
            "queue": self.gate.figures(),
            "pid": process["pid"],
            "workers": self.workers,
            "uptime": round(time.monotonic() - self.started, 3),
            "requests": self.recorder.ended,
            "memory": {name: mib(sizes.get(name)) for name in ("rss", "pss", "vms", "shared")},
        }
        if (reports := self.reports.figures()) is not None:
            server["reports"] = reports
        facts = {
            "drum_info": [process],
            "mem_info": self.monitor.memory_info(process["mem"]),
            "time_info": {
                "run_predictor_total": self.timings.take() if self.show_perf else nothing
            },
            "server": server,
        }
        return Reply(body=status_json(facts))
