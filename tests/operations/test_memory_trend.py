"""A model that leaks, on a real server that is told to look for it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import ServerContext
from tests.operations.fronts import PRODUCTION, serving, wait_for
from tests.operations.load import Load

MODEL = """
import pandas as pd

KEPT = []


def load_model(code_dir):
    return code_dir


def score(data, model, **kwargs):
    KEPT.append(bytearray(b"x") * 20_000)
    return pd.DataFrame({"Predictions": data["a"] * 2.0})
"""
ENVIRONMENT = {
    "DRUM_MEMORY_LEAK_ENABLED": "true",
    "DRUM_MEMORY_LEAK_THRESHOLD_MB": "5",
    "DRUM_MEMORY_LEAK_SAMPLE_WINDOW": "20",
}
WARNING = "the memory of this worker grows by"


def test_leak_of_a_model_is_warned_of_and_in_the_metrics(
    running_server: ServerContext, tmp_path: Path
) -> None:
    (tmp_path / "custom.py").write_text(MODEL)
    with serving(running_server, PRODUCTION[-1], tmp_path, env=ENVIRONMENT) as server:
        with Load(server.port, clients=2):
            wait_for(lambda: WARNING in server.log, "the warning", 120)
        found = re.search(
            r"drum_memory_growth_bytes_per_request{.*} (\S+)", server.get("/metrics").text
        )
        assert found is not None
        assert 10_000 < float(found[1]) < 40_000
        assert server.log.count(WARNING) == 1
