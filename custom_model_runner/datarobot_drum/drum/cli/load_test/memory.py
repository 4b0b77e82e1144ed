"""Memory and CPU of a server over time: of its processes, or as it tells of itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import psutil

from datarobot_drum.drum.cli.load_test.server_process import Server
from datarobot_drum.drum.resource_monitor import MIB, proportional_memory

#: Reading the figures costs the client time, so not too often.
INTERVAL = 0.5
#: When there are more, every second one goes and the next are taken half as often.
MAX_POINTS = 400


@dataclass(frozen=True)
class Point:
    """MiB at one moment; PSS counts a page that processes share once, RSS in each of them."""

    seconds: float
    rss: float
    pss: float | None
    cores: float | None


class Timeline:
    """Takes points in a thread of its own as long as its block runs; their number is bounded."""

    def __init__(self, measure: Callable[[], tuple[float, float | None, float | None] | None]):
        self.points: list[Point] = []
        self._measure = measure
        self._interval = INTERVAL
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="memory")
        self._begin = time.monotonic()

    def __enter__(self) -> Timeline:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join(5)

    @property
    def now(self) -> float:
        """Seconds since the first point."""
        return time.monotonic() - self._begin

    def _run(self) -> None:
        while True:
            self._take()
            if self._done.wait(self._interval):
                return

    def _take(self) -> None:
        figures = self._measure()
        if figures is None:
            return
        rss, pss, cores = figures
        self.points.append(Point(self.now, rss, pss, cores))
        if len(self.points) > MAX_POINTS:
            self.points = self.points[::2]
            self._interval *= 2


class ProcessTree:
    """Figures of the processes below one; call it for the present ones."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._last: tuple[float, float] | None = None

    def __call__(self) -> tuple[float, float | None, float | None] | None:
        """RSS and PSS in MiB, and the cores in use since the last call."""
        try:
            processes = self._root.children(recursive=True)
        except psutil.NoSuchProcess:
            return None
        rss, cpu, pss = 0.0, 0.0, [proportional_memory(process.pid) for process in processes]
        for process in processes:
            try:
                with process.oneshot():
                    rss += process.memory_info().rss
                    times = process.cpu_times()
            except psutil.Error:
                continue
            cpu += times.user + times.system
        if not rss:
            return None
        known = [share for share in pss if share is not None]
        return rss / MIB, sum(known) / MIB if known else None, self._cores(cpu)

    def _cores(self, cpu: float) -> float | None:
        now, last = time.monotonic(), self._last
        self._last = now, cpu
        # a worker that ended takes its time with it
        if last is None or cpu < last[1] or now <= last[0]:
            return None
        return (cpu - last[1]) / (now - last[0])


def told_by(server: Server) -> tuple[float, float | None, float | None] | None:
    """What `/stats/` says about the worker that answers."""
    resident = server.facts("/stats/").get("mem_info", {}).get("drum_rss")
    return None if resident is None else (float(resident), None, None)
