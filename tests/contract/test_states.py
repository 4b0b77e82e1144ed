"""What a server says before its model is loaded, while it drains, and about itself."""

from __future__ import annotations

import os
import uuid
from dataclasses import replace

import pytest
from tests.contract.cases.models import LINEAR, SLOW_LOAD
from tests.contract.conftest import Serve
from tests.contract.exchanges import PATIENCE, eventually
from tests.contract.serving import Client, post

IMPATIENT = SLOW_LOAD.with_environment(DRUM_FASTAPI_EXECUTOR_QUEUE_TIMEOUT="0.05")
ROW = b"a,b\n1,2\n"


def _let_it_load(client: Client) -> None:
    (client.code_dir / "go").write_text("go")
    assert client.server.wait_until_loaded(PATIENCE)


def test_probes_tell_that_the_model_is_loading(own_client: Serve) -> None:
    client = own_client(SLOW_LOAD, wait=False)
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/stats/").json()["server"]["state"] == "starting"
    for path in ("/readyz", "/startupz"):
        answer = client.get(path)
        assert (answer.status, answer.json()) == (503, {"status": "starting"})
    answer = client.get("/health/")
    assert (answer.status, answer.header("Retry-After")) == (503, "5")
    _let_it_load(client)
    assert client.get("/health/").status == 200


@pytest.mark.parametrize("path", ["/ping/", "/info/", "/capabilities/", "/nim/x"])
def test_status_routes_wait_for_the_model_only_so_long(path: str, own_client: Serve) -> None:
    client = own_client(IMPATIENT, wait=False)
    answer = client.get(path)
    assert (answer.status, answer.header("Retry-After")) == (503, "5")
    assert answer.json() == {"message": "ERROR: the model is still loading; try again later"}
    _let_it_load(client)


def test_prediction_waits_for_the_model_only_so_long(own_client: Serve) -> None:
    client = own_client(IMPATIENT, wait=False)
    answer = client.post("/predict/", ROW)
    assert (answer.status, answer.header("Retry-After")) == (503, "10")
    _let_it_load(client)


def test_requests_that_came_while_loading_are_answered_afterwards(own_client: Serve) -> None:
    client = own_client(SLOW_LOAD, wait=False)
    prediction = client.open(post("/predict/", ROW))
    eventually(lambda: client.server.gate.figures()["waiting"] == 1)
    _let_it_load(client)
    assert prediction.answer().json() == {"predictions": [1.0]}


def test_draining_server_still_predicts(own_client: Serve) -> None:
    client = own_client(LINEAR)
    client.server.drain()
    assert client.get("/readyz").json() == {"status": "draining"}
    statuses = {path: client.get(path).status for path in ("/health/", "/startupz", "/ping/")}
    assert statuses == {"/health/": 503, "/startupz": 200, "/ping/": 200}
    assert client.post("/predict/", ROW).json() == {"predictions": [22.0]}


def test_info_names_its_server_and_folder(own_client: Serve, front: str) -> None:
    client = own_client(LINEAR)
    info = client.get("/info/").json()
    assert (info["drumServer"], info["codeDir"]) == (front, str(client.code_dir))


def test_stats_are_numbers(own_client: Serve) -> None:
    stats = own_client(LINEAR).get("/stats/").json()
    (process,) = stats["drum_info"]
    assert process["pid"] == os.getpid()
    assert stats["mem_info"]["drum_rss"] == process["mem"] > 0
    assert 0 < stats["mem_info"]["free"] <= stats["mem_info"]["total"]
    server = stats["server"]
    assert (server["pid"], server["workers"]) == (os.getpid(), 1)
    assert 0 < server["uptime"] < 600
    assert 0 < server["memory"]["pss"] <= server["memory"]["vms"]


def test_stats_count_the_requests_that_were_answered(own_client: Serve) -> None:
    client = own_client(LINEAR)
    before = client.get("/stats/").json()["server"]["requests"]
    for path in ("/ping/", "/nope"):
        client.get(path)
    eventually(lambda: client.get("/stats/").json()["server"]["requests"] >= before + 3)


def test_stats_measure_predictions_and_start_anew_when_read(own_client: Serve) -> None:
    client = own_client(replace(LINEAR, show_perf=True))
    assert client.post("/predict/", ROW).status == 200
    assert client.post("/predict/", b"a,b\nx,y\n").status == 500
    eventually(lambda: client.server.gate.figures()["running"] == 0)
    figures = client.get("/stats/").json()["time_info"]["run_predictor_total"]
    assert 0 <= figures["min"] <= figures["avg"] <= figures["max"] <= figures["total"]
    again = client.get("/stats/").json()["time_info"]["run_predictor_total"]
    assert again == dict.fromkeys(("min", "max", "avg", "total"))


def test_request_without_an_id_gets_a_new_one(own_client: Serve) -> None:
    client = own_client(LINEAR)
    ids = [client.get("/ping/").header("X_Request_ID") for _ in range(2)]
    assert len(set(ids)) == 2
    assert [uuid.UUID(id).version for id in ids] == [4, 4]


@pytest.mark.parametrize("sent", ["", "two words", "x" * 129, "caf\xe9"])
def test_request_id_that_could_harm_a_log_is_replaced(sent: str, own_client: Serve) -> None:
    answer = own_client(LINEAR).get("/ping/", {"X-Request-Id": sent})
    assert uuid.UUID(answer.header("X-Request-ID")).version == 4
