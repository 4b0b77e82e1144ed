"""What a worker tells of itself: gauges of its gate, its state, model and memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from datarobot_drum import __version__
from datarobot_drum.drum.observability.record import CLIENT_LEFT, Record
from datarobot_drum.drum.root_predictors import worker_figures
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.worker_figures import WorkerFigures, make_metrics

Serve = Callable[..., PredictionServer]
Ask = Callable[..., Reply]
SCORE = """
import pandas as pd
def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": [1.0] * len(data)})
"""


def watched(server: PredictionServer) -> WorkerFigures:
    figures = WorkerFigures(server, make_metrics("flask", "/pre", None))
    server.figures = figures
    return figures


def told(page: bytes) -> dict[str, float]:
    """Samples by `name` or `name/label/label`, the server type left out."""
    return {
        "/".join([s.name, *(v for k, v in sorted(s.labels.items()) if k != "server_type")]): s.value
        for family in text_string_to_metric_families(page.decode())
        for s in family.samples
    }


def test_gate_is_told(serve: Serve) -> None:
    server = serve(SCORE, executor_workers=2, queue_depth=5)
    figures = watched(server)
    for _ in range(3):
        server.gate.admit()
    server.gate.start()
    found = told(figures.page())
    assert found["drum_predictions_in_progress"] == 3
    assert (found["drum_executor_queue_depth"], found["drum_executor_queue_limit"]) == (2, 5)
    assert (found["drum_executor_workers_busy"], found["drum_executor_workers"]) == (1, 2)
    assert found["drum_requests_accepted_total"] == 3


def test_what_the_gate_counts_is_counted_once(serve: Serve) -> None:
    server = serve(SCORE)
    figures = watched(server)
    server.gate.admit()
    server.gate.leave(timed_out=True)
    for _ in range(3):
        found = told(figures.page())
    assert found["drum_requests_accepted_total"] == 1
    assert found["drum_requests_timed_out_total"] == 1
    assert found["drum_requests_rejected_total/queue_full"] == 0


@pytest.mark.parametrize("status", [0, 503])
def test_refusal_is_told_at_once(status: int, serve: Serve) -> None:
    server = serve(SCORE)
    figures = watched(server)
    server.gate.admit()
    record = Record("id", "POST", "/pre/predict/")
    record.status = status
    server.recorder.end(record)
    found = told(figures._metrics.page())
    assert found["drum_requests_accepted_total"] == 1
    assert found[f"drum_requests_total//predict//POST/{status or CLIENT_LEFT}"] == 1


def test_figures_that_the_gate_does_not_know_are_not_told(serve: Serve) -> None:
    known = set(serve(SCORE).gate.figures())
    missing = (worker_figures.GATE_GAUGES | worker_figures.GATE_COUNTERS).keys() - known
    found = told(watched(serve(SCORE)).page())
    names = {**worker_figures.GATE_GAUGES, **worker_figures.GATE_COUNTERS}
    for key in missing:
        name = names[key]
        assert (name if isinstance(name, str) else name[0]) not in found


@pytest.mark.parametrize("state", list(State))
def test_state_is_told(state: State, serve: Serve) -> None:
    server = serve(SCORE)
    server.state = state
    found = told(watched(server).page())
    assert {s.value: found[f"drum_workers/{s.value}"] for s in State} == {
        s.value: s is state for s in State
    }


def test_memory_is_told(serve: Serve) -> None:
    found = told(watched(serve(SCORE)).page())
    for kind in ("rss", "pss", "vms", "shared"):
        assert found[f"drum_memory_bytes/{kind}"] > 1_000_000


def test_growth_of_memory_is_told(serve: Serve) -> None:
    figures = watched(serve(SCORE))
    figures.show_growth(1.5)
    assert told(figures.page())["drum_memory_growth_bytes_per_request"] == 1.5


def test_memory_of_the_container_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(SCORE)
    monkeypatch.setattr(type(server.monitor), "container_bytes", lambda self: {"limit": 7})
    found = told(watched(server).page())
    assert found["drum_container_memory_bytes/limit"] == 7


def test_model_is_told_once_it_is_loaded(serve: Serve) -> None:
    server = serve(SCORE)
    figures = watched(server)
    figures.start()
    figures.stop()
    found = told(figures.page())
    assert found[f"drum_model_info/python//regression/{__version__}"] == 1
    assert 0 <= found["drum_model_load_seconds"] < 60
    assert found["drum_worker_starts_total"] == 1


def test_model_that_could_not_be_loaded_is_not_told(ask: Ask) -> None:
    server = PredictionServer()
    figures = watched(server)
    figures.start()
    server.fail(ValueError("no weights"))
    figures.stop()
    reply = ask(server, "metrics")
    assert reply.status == 200
    assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"
    found = told(reply.body)
    assert found["drum_workers/failed"] == 1
    assert not any(name.startswith(("drum_model_info", "drum_model_load")) for name in found)


def test_figures_are_taken_every_second(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_figures, "PERIOD", 0.01)
    server = serve(SCORE)
    figures = watched(server)
    figures.start()
    server.gate.admit()
    while not told(figures._metrics.page()).get("drum_executor_queue_depth"):
        time.sleep(0.01)
    figures.stop()
    figures.stop()


def test_broken_figures_cost_nothing_else(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(monitor: Any) -> Any:
        raise RuntimeError("no /proc here")

    server = serve(SCORE)
    figures = watched(server)
    monkeypatch.setattr(type(server.monitor), "process_memory", broken)
    assert b"drum_requests_total" in figures.page()
    assert "no /proc here" in caplog.text


def test_metrics_that_are_off_are_not_found(serve: Serve, ask: Ask) -> None:
    reply = ask(serve(SCORE), "metrics")
    assert (reply.status, b"DRUM_METRICS_ENABLED" in reply.body) == (404, True)


def test_figures_that_cannot_be_read_are_asked_for_again(
    serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(figures: WorkerFigures) -> bytes:
        raise TimeoutError("the folder is being changed")

    server = serve(SCORE)
    watched(server)
    monkeypatch.setattr(WorkerFigures, "page", late)
    reply = ask(server, "metrics")
    assert (reply.status, dict(reply.headers)["Retry-After"]) == (503, "1")
