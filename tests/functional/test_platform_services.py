"""The platform's services as an operator switches them on: servers of each type, and commands."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.stand_ins.platform import TOKEN, Platform, platform
from tests.stand_ins.s3 import KEY_ID, Store, object_store

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
CSV = {"Content-Type": "text/csv"}

NUMBERS = """
import pandas as pd

def load_model(code_dir):
    return 2

def score(data, model, **kwargs):
    data["new"] = 1
    return pd.DataFrame({"Predictions": data["a"] * float(model)})
"""

TEXTS = """
import pandas as pd

def load_model(code_dir):
    return "model"

def score(data, model, **kwargs):
    return pd.DataFrame({"completion": ["echo"] * len(data)})

def piece(text):
    delta = {"content": text}
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}

def chat(params, model, **kwargs):
    if params.get("fail"):
        raise ValueError("boom")
    if params.get("stream"):
        return (piece(text) for text in ("he", "llo"))
    message = {"role": "assistant", "content": "hello"}
    return {"object": "chat.completion", "choices": [{"message": message}]}
"""

EMBEDDED = """
def load_model(code_dir):
    return "model"

def score_unstructured(model, data, query, **kwargs):
    mlops = kwargs["mlops"]
    mlops.report_deployment_stats(len(data), 1.5)
    mlops.report_predictions_data(predictions=[float(len(data))], association_ids=["id"])
    return str(len(data))
"""

Folder = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """`folder(code)` is a model folder with that `custom.py`."""

    def make(code: str) -> Path:
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / "custom.py").write_text(code)
        return tmp_path / "model"

    return make


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


def monitored(spool: Path) -> dict[str, str]:
    return {
        "MODEL_ID": "m-1",
        "DEPLOYMENT_ID": "d-1",
        "MONITOR_SETTINGS": f"spooler_type=filesystem;directory={spool}",
    }


def reports(spool: Path) -> list[dict[str, Any]]:
    """What the platform's library wrote, in order."""
    text = "".join(path.read_text() for path in sorted(spool.iterdir()))
    decoder = json.JSONDecoder()
    parts = [decoder.raw_decode('{"header"' + part)[0] for part in text.split('{"header"')[1:]]
    return [json.loads(part["data"]) for part in parts]


def test_predictions_are_reported(server_type, start_server, folder, spool):
    server = start_server(
        folder(NUMBERS),
        *("--target-type", "regression", "--monitor"),
        env=monitored(spool),
        server_type=server_type,
    )
    assert server.post("/predict/", content=b"a\n1\n2\n", headers=CSV).json() == {
        "predictions": [2.0, 4.0]
    }
    assert set(server.get("/stats/").json()["server"]["reports"]) == {
        "sent",
        "dropped",
        "failed",
        "waiting",
    }
    server.stop()
    stats, data = reports(spool)
    assert stats["numPredictions"] == 2 and 0 < stats["executionTime"] < 60_000
    assert (data["features"], data["predictions"]) == ({"a": [1, 2]}, [2.0, 4.0])


def test_chats_are_reported(server_type, start_server, folder, spool):
    server = start_server(
        folder(TEXTS),
        *("--target-type", "textgeneration", "--monitor"),
        env={**monitored(spool), "TARGET_NAME": "answer"},
        server_type=server_type,
    )
    for options in ({}, {"stream": True}, {"fail": True}):
        messages = [{"role": "user", "content": f"hi {options}"}]
        body = {"messages": messages, "datarobot_association_id": f"id {options}", **options}
        server.post("/chat/completions", json=body)
    server.stop()
    found = reports(spool)
    data = [report for report in found if "predictions" in report]
    assert [report["predictions"] for report in data] == [["hello"], ["hello"]]
    assert data[0]["features"] == {"promptText": ["hi {}"]}
    assert data[0]["associationIds"] == ["id {}"]
    errors = [report["systemError"] for report in found if "systemError" in report]
    assert errors == [False, False, True]


def test_deployment_may_refuse_the_texts_of_chats(start_server, folder, spool, service):
    env = {"EXTERNAL_WEB_SERVER_URL": service.url, "API_TOKEN": TOKEN, "TARGET_NAME": "answer"}
    server = start_server(
        folder(TEXTS),
        *("--target-type", "textgeneration", "--monitor"),
        env={**monitored(spool), **env},
        server_type="fastapi",
    )
    assert server.post("/chat/completions", json={"messages": []}).status_code == 200
    server.stop()
    (stats,) = reports(spool)
    assert stats["numPredictions"] == 1


def test_unstructured_model_reports_by_itself(server_type, start_server, folder, spool):
    env = {**monitored(spool), "EXTERNAL_WEB_SERVER_URL": "http://127.0.0.1:9", "API_TOKEN": "t"}
    server = start_server(
        folder(EMBEDDED),
        *("--target-type", "unstructured", "--monitor-embedded"),
        env=env,
        server_type=server_type,
    )
    assert server.post("/predictUnstructured/", content=b"four").text == "4"
    server.stop()
    stats, data = reports(spool)
    assert (stats["numPredictions"], stats["executionTime"]) == (4, 1.5)
    assert (data["predictions"], data["associationIds"]) == ([4.0], ["id"])


@pytest.mark.parametrize("words", [(), ("--chunk-rows", "1")])
def test_score_reports_its_rows(words, run_drum, folder, spool, tmp_path):
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    done = run_drum(
        "score",
        *("--code-dir", str(folder(NUMBERS)), "--input", str(tmp_path / "rows.csv")),
        *("--target-type", "regression", "--monitor", *words),
        env=monitored(spool),
    )
    assert (done.returncode, done.stdout) == (0, "Predictions\n2.0\n4.0\n")
    data = [report for report in reports(spool) if "predictions" in report]
    assert [value for report in data for value in report["predictions"]] == [2.0, 4.0]
    assert [value for report in data for value in report["features"]["a"]] == [1, 2]


def test_score_lets_an_unstructured_model_report(run_drum, folder, spool, tmp_path):
    (tmp_path / "note.txt").write_text("four")
    done = run_drum(
        "score",
        *("--code-dir", str(folder(EMBEDDED)), "--input", str(tmp_path / "note.txt")),
        *("--target-type", "unstructured", "--monitor-embedded", "--api-token", "t"),
        *("--webserver", "http://127.0.0.1:9"),
        env=monitored(spool),
    )
    assert (done.returncode, done.stdout) == (0, "4\n")
    assert reports(spool)[0]["numPredictions"] == 4


def test_text_model_is_moderated(server_type, start_server, folder):
    code_dir = folder(TEXTS)
    (code_dir / "moderation_config.yaml").touch()
    server = start_server(
        code_dir,
        *("--target-type", "textgeneration"),
        env={"TARGET_NAME": "answer", "PYTHONPATH": str(FIXTURES / "moderation")},
        server_type=server_type,
    )
    answer = server.post("/chat/completions", json={"messages": []}).json()
    assert answer["moderation"]["association_id"] == answer["datarobot_association_id"]
    rows = server.post("/predict/", content=b"promptText\nhi\n", headers=CSV).json()
    assert rows["predictions"] == ["echo"]
    assert rows["extraModelOutput"]["data"] == [[True]]


FETCHED = """
import pathlib
import pandas as pd

HERE = pathlib.Path(__file__).parent
FACTOR = float((HERE / "weights" / "factor.txt").read_text())

def load_model(code_dir):
    return FACTOR

def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": data["a"] * model})
"""


@pytest.fixture
def store() -> Iterator[Store]:
    with object_store() as store:
        store.objects = {"models/factor": b"3.5"}
        yield store


def lazy_file(folder: Path, store: Store, remote: str = "factor") -> str:
    path = folder.parent / "lazy.yaml"
    path.write_text(
        f"""
files: [{{remote_path: {remote}, local_path: weights/factor.txt, repository_id: r}}]
repositories:
  - {{repository_id: r, bucket_name: models, credential_id: c, endpoint_url: "{store.url}"}}
credentials:
  - {{id: c, credential_type: s3, aws_access_key_id: {KEY_ID}, aws_secret_access_key: hunter2}}
"""
    )
    return str(path)


def test_workers_fetch_files_once_before_the_code_is_imported(
    server_type, start_server, folder, store
):
    code_dir = folder(FETCHED)
    workers = [] if server_type == "flask" else ["--max-workers", "2"]
    server = start_server(
        code_dir,
        *("--target-type", "regression", "--lazy-loading-file", lazy_file(code_dir, store)),
        *workers,
        server_type=server_type,
    )
    reply = server.post("/predict/", content=b"a\n2\n", headers=CSV)
    assert reply.json() == {"predictions": [7.0]}
    assert len(store.reads) == 1
    assert "hunter2" not in server.log


def test_file_that_cannot_be_fetched_is_told_by_the_error_server(
    server_type, start_server, folder, store
):
    code_dir = folder(FETCHED)
    server = start_server(
        code_dir,
        *("--target-type", "regression", "--lazy-loading-file"),
        *(lazy_file(code_dir, store, "none"), "--with-error-server"),
        server_type=server_type,
        wait=False,
    )
    server.wait_until_ready("/livez")
    deadline = time.monotonic() + 60
    while (reply := server.post("/predict/", content=b"a\n2\n", headers=CSV)).status_code != 513:
        assert time.monotonic() < deadline
    assert "model file models/none cannot be fetched" in reply.json()["message"]


USES_API = """
import datarobot
import pandas as pd

def load_model(code_dir):
    return datarobot.client.get_client().endpoint

def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": [len(model)] * len(data)})
"""


@pytest.fixture
def service() -> Iterator[Platform]:
    with platform() as service:
        yield service


def test_model_code_may_call_the_platform(server_type, start_server, folder, service):
    server = start_server(
        folder(USES_API),
        *("--target-type", "regression", "--allow-dr-api-access", "--webserver", service.url),
        env={"API_TOKEN": TOKEN},
        server_type=server_type,
    )
    reply = server.post("/predict/", content=b"a\n2\n", headers=CSV)
    assert reply.json() == {"predictions": [len(f"{service.url}/api/v2")]}
    assert TOKEN not in server.log
    parent = psutil.Process(server.process.pid)
    lines = [process.cmdline() for process in (parent, *parent.children(recursive=True))]
    assert not any(TOKEN in word for line in lines for word in line)


def test_token_on_the_command_line_is_not_in_the_stats(server_type, start_server, folder, service):
    words = ("--allow-dr-api-access", "--webserver", service.url, "--api-token", TOKEN)
    server = start_server(
        folder(USES_API), *("--target-type", "regression", *words), server_type=server_type
    )
    stats = server.get("/stats/")
    assert stats.status_code == 200 and TOKEN not in stats.text


PUSHED = """
name: my model
type: inference
targetType: regression
environmentID: env-1
validation: {input: rows.csv}
inferenceModel: {targetName: y}
"""


@pytest.fixture
def pushed(folder, service) -> dict[str, str]:
    code_dir = folder(NUMBERS)
    (code_dir / "rows.csv").write_text("a\n1\n")
    (code_dir / "model-metadata.yaml").write_text(PUSHED)
    return {"DATAROBOT_ENDPOINT": f"{service.url}/api/v2", "DATAROBOT_API_TOKEN": TOKEN}


def test_push_tries_the_model_and_uploads_it(run_drum, folder, service, pushed):
    done = run_drum("push", "--code-dir", str(folder(NUMBERS)), env=pushed)
    assert done.returncode == 0, done.stderr
    assert "successfully validated locally! Now we will add it" in done.stdout
    assert "Custom model id: model-1" in done.stdout
    assert ("POST", "/customModels/model-1/versions/") in service.requests


def test_push_uploads_nothing_when_the_model_fails(run_drum, folder, service, pushed):
    code_dir = folder(NUMBERS.replace("data[", "none["))
    done = run_drum("push", "--code-dir", str(code_dir), env=pushed)
    assert done.returncode == 1
    assert "failed on its validation data (exit code 1); nothing was uploaded" in done.stderr
    assert service.requests == []
