"""Reports through the platform's own library, into a folder that it spools to."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.payloads import OutputRules, Predictions
from datarobot_drum.drum.platform_services.mlops import start_reports
from datarobot_drum.drum.platform_services.reporting import NO_REPORTS, Reporter, Reports
from datarobot_drum.drum.settings import ModelSpec, Settings

#: the library's own: old ways of pandas, files left to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore")

NUMBERS = pd.DataFrame({"Predictions": [1.5, 2.5]})


def spec(**options: Any) -> ModelSpec:
    return ModelSpec("/model", **{"deployment_id": "d-1", "model_id": "m-1", **options})


def start(spec: ModelSpec, settings: str, **environ: str) -> Reports:
    values = Settings.load({"MONITOR_SETTINGS": settings, **environ})
    return start_reports(spec, values, OutputRules(TargetType.REGRESSION))


def spooled(folder: Path) -> list[dict[str, Any]]:
    """The records in a spool folder; their length goes before each, in binary."""
    data = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    parts = data.split(b'{"header"')[1:]
    decoder = json.JSONDecoder()
    texts = ['{"header"' + part.decode(errors="replace") for part in parts]
    return [decoder.raw_decode(text)[0] for text in texts]


def test_structured_reports_reach_the_spool(tmp_path: Path):
    to = start(spec(reports="monitor"), f"spooler_type=filesystem;directory={tmp_path}")
    to.scored(pd.DataFrame({"a": [1, 2]}), Predictions(NUMBERS), 0.5)
    to.stop()
    stats, data = spooled(tmp_path)
    assert stats["header"]["deploymentId"] == "d-1"
    facts = json.loads(stats["data"])
    assert (facts["modelId"], facts["numPredictions"], facts["executionTime"]) == ("m-1", 2, 500)
    facts = json.loads(data["data"])
    assert (facts["features"], facts["predictions"]) == ({"a": [1, 2]}, [1.5, 2.5])


def test_embedded_reports_reach_the_spool(tmp_path: Path):
    to = start(spec(reports="embedded"), f"spooler_type=filesystem;directory={tmp_path}")
    to.hook_keywords["mlops"].report_deployment_stats(3, 1.5)
    to.stop()
    assert json.loads(spooled(tmp_path)[0]["data"])["numPredictions"] == 3


def test_bounds_of_the_settings_hold(tmp_path: Path):
    bounds = {"DEPTH": 1, "BYTES": 100}
    to = start(
        spec(reports="embedded"),
        f"spooler_type=filesystem;directory={tmp_path}",
        DRUM_REPORT_FLUSH_TIMEOUT="0.1",
        **{f"DRUM_REPORT_QUEUE_{name}": str(value) for name, value in bounds.items()},
    )
    queue = to._calls  # type: ignore[attr-defined]
    began, let_go = threading.Event(), threading.Event()

    def hold(reporter: Reporter) -> None:
        began.set()
        let_go.wait(20)

    queue.put(hold, 60)
    assert began.wait(20)
    for size in (50, 40, 0):
        # too many bytes, one that may wait, too many that wait
        queue.put(hold, size)
    assert to.figures() == {"sent": 0, "dropped": 2, "failed": 0, "waiting": 1}
    clock = time.monotonic()
    to.stop()
    assert time.monotonic() - clock < 5 - 0.1
    let_go.set()


def test_nothing_is_reported_where_nobody_asked():
    assert start(spec(), "") is NO_REPORTS


@pytest.mark.parametrize("missing", ["deployment_id", "model_id"])
def test_nothing_is_reported_without_a_deployment(missing: str, caplog: pytest.LogCaptureFixture):
    assert start(spec(reports="monitor", **{missing: None}), "") is NO_REPORTS
    assert "there is no deployment" in caplog.text


def test_bad_settings_end_the_start_and_are_not_shown():
    with pytest.raises(StartupError, match="check the deployment id") as error:
        start(spec(reports="monitor"), "spooler_type=pigeon;password=hunter2")
    assert "hunter2" not in str(error.value)
    assert error.value.__suppress_context__


def test_platform_itself_is_the_receiver_without_settings():
    to = start(
        spec(reports="embedded"), "", EXTERNAL_WEB_SERVER_URL="http://127.0.0.1:9", API_TOKEN="t"
    )
    assert "mlops" in to.hook_keywords
    to.stop()


def test_missing_library_tells_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datarobot_mlops", None)
    monkeypatch.delitem(sys.modules, "datarobot_mlops.mlops", raising=False)
    with pytest.raises(StartupError, match=r"pip install 'opendrum\[mlops\]'"):
        start(spec(reports="monitor"), "spooler_type=stdout")
