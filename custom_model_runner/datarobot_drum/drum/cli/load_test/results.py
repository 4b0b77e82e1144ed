"""What a performance test found, as values, and as the JSON that scripts read."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from datarobot_drum import __version__
from datarobot_drum.drum.cli.load_test.cases import Case, Data
from datarobot_drum.drum.cli.load_test.histogram import Histogram
from datarobot_drum.drum.cli.load_test.load import Closed, Open, Outcome
from datarobot_drum.drum.cli.load_test.memory import Point
from datarobot_drum.drum.resource_monitor import MIB

#: Changes when a key of the JSON report changes its meaning or goes.
SCHEMA = 1
PERCENTILES = (50, 75, 90, 95, 99, 99.9)
#: A client that is later than this share of the median latency has measured itself.
MAX_LAG_SHARE = 0.2


@dataclass(frozen=True)
class CaseResult:
    """One case on one server; `used` and `total` are MiB as `/stats/` tells them."""

    case: Case
    outcome: Outcome
    request_bytes: int
    begin: float
    end: float
    used: float | None = None
    total: float | None = None
    in_server: float | None = None

    @property
    def is_failed(self) -> bool:
        """Is there nothing to compare with?

        A fixed number of requests fails by any of them, as in the reference; a load over time
        when none was answered.
        """
        if isinstance(self.case.load, Closed) and self.case.load.iterations is not None:
            return self.outcome.timed_out or self.outcome.failed > 0
        return self.outcome.latency.count == 0

    @property
    def is_client_late(self) -> bool:
        """Did the client start its requests so late that it measured itself?"""
        late = self.outcome.lag.percentile(99)
        return late > MAX_LAG_SHARE * max(self.outcome.latency.percentile(50), 0.005)


@dataclass
class ServerResult:
    """All cases on one server, and its memory over the whole time."""

    name: str
    url: str
    startup: float | None = None
    workers: int | None = None
    cases: list[CaseResult] = field(default_factory=list)
    points: Sequence[Point] = ()
    error: str | None = None


@dataclass(frozen=True)
class Report:
    """A whole run."""

    code_dir: str
    target_type: str | None
    input: str
    data: Data
    started_at: str
    servers: Sequence[ServerResult]

    @property
    def is_failed(self) -> bool:
        """Is there a server that did not start, or no case that went well?"""
        cases = [case for server in self.servers for case in server.cases]
        return any(server.error for server in self.servers) or all(case.is_failed for case in cases)

    def as_json(self) -> dict[str, Any]:
        """The report for scripts; `docs/PERF_TEST.md` tells its keys."""
        return {
            "schema": SCHEMA,
            "drumVersion": __version__,
            "startedAt": self.started_at,
            "passed": not self.is_failed,
            "machine": machine(),
            "model": {"codeDir": self.code_dir, "targetType": self.target_type},
            "input": {
                "file": self.input,
                "rows": self.data.rows,
                "features": self.data.features,
                "rowBytes": round(self.data.row_size, 1),
            },
            "servers": [_server_json(server) for server in self.servers],
        }


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import psutil

    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memoryMiB": round(psutil.virtual_memory().total / MIB),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model n")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"


def _server_json(server: ServerResult) -> dict[str, Any]:
    return {
        "serverType": server.name,
        "url": server.url,
        "startupSeconds": _rounded(server.startup, 3),
        "error": server.error,
        "cases": [_case_json(case) for case in server.cases],
        "timeline": [
            {
                "seconds": round(point.seconds, 2),
                "rssMiB": round(point.rss, 1),
                "pssMiB": _rounded(point.pss, 1),
                "cores": _rounded(point.cores, 2),
            }
            for point in server.points
        ],
    }


def _case_json(result: CaseResult) -> dict[str, Any]:
    load, outcome = result.case.load, result.outcome
    is_open = isinstance(load, Open)
    return {
        "label": result.case.label,
        "samples": result.case.samples,
        "requestBytes": result.request_bytes,
        "load": "open" if is_open else "closed",
        "clients": load.clients if isinstance(load, Closed) else None,
        "rate": load.rate if isinstance(load, Open) else None,
        "failed": result.is_failed,
        "timedOut": outcome.timed_out,
        "requests": outcome.requests,
        "answered": outcome.latency.count,
        "errors": dict(outcome.errors),
        "seconds": round(outcome.seconds, 3),
        "requestsPerSecond": round(outcome.rate, 2),
        "latencySeconds": _latency_json(outcome.latency),
        "clientLagSeconds": _latency_json(outcome.lag) if is_open else None,
        "inServerSeconds": result.in_server,
        "usedMiB": _rounded(result.used, 3),
        "totalPhysicalMiB": _rounded(result.total, 3),
        "beginSeconds": round(result.begin, 2),
        "endSeconds": round(result.end, 2),
    }


def _latency_json(latency: Histogram) -> dict[str, float] | None:
    """None of nothing: JSON has no NaN."""
    if not latency.count:
        return None
    figures = {"min": latency.least, "avg": latency.mean, "max": latency.greatest}
    figures |= {f"p{percent:g}": latency.percentile(percent) for percent in PERCENTILES}
    return {name: round(value, 6) for name, value in figures.items()}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
