"""When samples of memory are taken, and who is told."""

from __future__ import annotations

import threading

import pytest

from datarobot_drum.drum.memory_trend import MemoryLeakDetector
from datarobot_drum.drum.root_predictors import memory_watch
from datarobot_drum.drum.root_predictors.memory_watch import MemoryWatch

#: bytes that a request keeps
KEPT = 200_000


class Server:
    """Serves so many requests between two looks, and keeps something of each."""

    def __init__(self, requests: int) -> None:
        self.step = requests
        self.requests = 1000
        self.kept: list[bytearray] = []
        self.growth: list[float] = []
        self.detector = MemoryLeakDetector(20, growth_threshold_mb_per_1k_requests=20)
        self.watch = MemoryWatch(self.detector, self.serve, self.growth.append)

    def serve(self) -> int:
        self.requests += self.step
        self.kept.append(bytearray(b"x") * (KEPT * self.step))
        return self.requests


def test_leak_is_warned_of_once_and_its_growth_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory_watch, "REQUESTS_BETWEEN", 10)
    server = Server(requests=10)
    for _ in range(25):
        server.watch.look()
    assert caplog.text.count("the memory of this worker grows by") == 1
    assert len(server.growth) == 6
    assert server.growth[-1] == pytest.approx(KEPT, rel=0.3)


def test_nothing_is_read_before_there_were_enough_requests() -> None:
    server = Server(requests=1)
    for _ in range(50):
        server.watch.look()
    assert len(server.detector._samples) == 1


def test_samples_are_taken_in_a_thread_until_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_watch, "PERIOD", 0.001)
    looked = threading.Event()

    def served() -> int:
        looked.set()
        return 0

    watch = MemoryWatch(MemoryLeakDetector(), served)
    watch.start()
    assert looked.wait(20)
    watch.stop()
    (thread,) = (t for t in threading.enumerate() if t.name == "memory-watch")
    thread.join(20)
    assert not thread.is_alive()
