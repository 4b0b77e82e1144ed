"""Hooks of one worker never run at the same time at default settings, on every server.

Row 9 of the conformance table: two overlapping requests into a model that asserts "not concurrent".
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.operations.fronts import ANSWER, CSV, DATA, every_front, serving

CLIENTS = 8
MODEL = """
import threading, time
import pandas as pd

busy = threading.Lock()


def load_model(code_dir):
    return "model"


def score(data, model, **kwargs):
    if not busy.acquire(blocking=False):
        raise RuntimeError("two hooks at once")
    try:
        time.sleep(0.02)
        return pd.DataFrame({"Predictions": data["a"] * 2.0})
    finally:
        busy.release()
"""


@every_front
def test_hooks_never_overlap(running_server, tmp_path, front):
    (tmp_path / "custom.py").write_text(MODEL)
    barrier = threading.Barrier(CLIENTS)

    def predict() -> bytes:
        barrier.wait(30)
        return server.post("/predict/", content=DATA, headers=CSV).content

    with serving(running_server, front, tmp_path) as server, ThreadPoolExecutor(CLIENTS) as pool:
        requests = [pool.submit(predict) for _ in range(CLIENTS)]
        assert [request.result(60) for request in requests] == [ANSWER] * CLIENTS
