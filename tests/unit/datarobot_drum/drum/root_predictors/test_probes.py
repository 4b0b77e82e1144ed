"""Probe and status routes in each state of a worker."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from datarobot_drum import __version__
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.root_predictors.replies import Reply

Serve = Callable[..., PredictionServer]
Ask = Callable[..., Reply]

SCORE = """
import pandas as pd
def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": [1.0] * len(data)})
"""
CHAT = "def chat(params, model): return None"


def server_in(state: State, serve: Serve) -> PredictionServer:
    if state is State.STARTING:
        return PredictionServer()
    if state is State.FAILED:
        server = PredictionServer()
        server.fail(StartupError("no artifact"))
        return server
    server = serve(SCORE)
    if state is State.DRAINING:
        server.drain()
    return server


@pytest.mark.parametrize(
    ("state", "ping", "health", "readyz", "startupz"),
    [
        (State.STARTING, 503, 503, 503, 503),
        (State.READY, 200, 200, 200, 200),
        (State.DRAINING, 200, 503, 503, 200),
        (State.FAILED, 513, 513, 503, 503),
    ],
)
def test_probes_tell_the_state(
    state: State, ping: int, health: int, readyz: int, startupz: int, serve: Serve, ask: Ask
) -> None:
    server = server_in(state, serve)
    assert ask(server, "livez") == Reply(body=b'{"status":"alive"}\n')
    assert ask(server, "ping").status == ping
    assert ask(server, "health").status == health
    for name, status in (("readyz", readyz), ("startupz", startupz)):
        reply = ask(server, name)
        assert reply.status == status
        assert json.loads(reply.body)["status"] == state.value


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.STARTING, "ERROR: the model is still loading; try again later"),
        (State.DRAINING, "ERROR: the server is shutting down; try another one"),
        (State.FAILED, "ERROR: no artifact"),
    ],
)
def test_health_says_why_not(state: State, reason: str, serve: Serve, ask: Ask) -> None:
    reply = ask(server_in(state, serve), "health")
    assert json.loads(reply.body) == {"message": reason}


def test_probes_of_a_failed_worker_say_why(serve: Serve, ask: Ask) -> None:
    reply = ask(server_in(State.FAILED, serve), "readyz")
    assert json.loads(reply.body) == {"status": "failed", "message": "ERROR: no artifact"}


def test_ping_is_ok_once_the_model_is_there(serve: Serve, ask: Ask) -> None:
    assert ask(serve(SCORE), "ping").body == b'{"message":"OK"}\n'


def test_drain_changes_nothing_before_the_model_is_there() -> None:
    server = PredictionServer()
    server.drain()
    assert server.state is State.STARTING


def test_info_tells_model_and_server(serve: Serve, ask: Ask) -> None:
    server = serve(SCORE, "binary", server_name="fastapi")
    facts = json.loads(ask(server, "info").body)
    assert facts.pop("codeDir")
    assert facts == {
        "targetType": "binary",
        "language": "python",
        "modelMetadata": None,
        "predictor": None,
        "positiveClassLabel": "yes",
        "negativeClassLabel": "no",
        "drumVersion": __version__,
        "drumServer": "fastapi",
    }


@pytest.mark.parametrize(("code", "chat"), [(SCORE, False), (CHAT, True)])
def test_capabilities_tell_formats_and_chat(code: str, chat: bool, serve: Serve, ask: Ask) -> None:
    assert json.loads(ask(serve(code), "capabilities").body) == {
        "supported_payload_formats": {"csv": None, "mtx": None},
        "supported_methods": {"chat": chat},
    }


def figures(server: PredictionServer, ask: Ask) -> dict[str, Any]:
    return dict(json.loads(ask(server, "stats").body))


def test_stats_are_there_before_the_model_is(ask: Ask) -> None:
    facts = figures(PredictionServer(executor_workers=2, queue_depth=5), ask)
    assert facts["drum_info"][0]["pid"] == os.getpid()
    assert facts["mem_info"]["drum_rss"] == facts["drum_info"][0]["mem"] > 0
    assert facts["server"]["state"] == "starting"
    assert facts["server"]["queue"]["max_running"] == 2
    assert facts["server"]["queue"]["max_waiting"] == 5


def test_stats_of_a_failed_worker_say_why(serve: Serve, ask: Ask) -> None:
    assert ask(server_in(State.FAILED, serve), "stats").status == 513


def test_stats_time_predictions_only_when_asked_to(serve: Serve, ask: Ask) -> None:
    nothing = dict.fromkeys(("min", "max", "avg", "total"))
    for show_perf in (False, True):
        server = serve(SCORE, show_perf=show_perf)
        assert ask(server, "predict", b"a\n1\n").status == 200
        times = figures(server, ask)["time_info"]["run_predictor_total"]
        assert (times != nothing) is show_perf
    assert figures(server, ask)["time_info"]["run_predictor_total"] == nothing


def test_direct_access_is_for_other_models(serve: Serve, ask: Ask) -> None:
    reply = ask(serve(SCORE), "forward_request")
    assert reply.status == 400
    assert json.loads(reply.body) == {
        "message": "This endpoint is only supported by OpenAI based predictors"
    }
