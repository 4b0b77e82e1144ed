"""The facts of the status page in each state, and the errors that it tells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.observability import masking
from datarobot_drum.drum.observability.record import Record
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import ROUTES, STATUS_PAGE, STATUS_PAGE_FILES
from datarobot_drum.drum.root_predictors.status_page import FILES, StatusPage
from datarobot_drum.drum.settings import ModelSpec, ServeSpec, Settings

Serve = Callable[..., PredictionServer]
Ask = Callable[..., Reply]

SCORE = """
from datarobot_drum.drum.exceptions import CustomHTTPError
def score(data, model, **kwargs):
    text = data.iloc[0, 0]
    if text == "user":
        raise CustomHTTPError("not with sesame-street", 418)
    raise ValueError(f"no {text}")
"""
CHAT = "def chat(params, model): return None"


def page(**variables: str) -> StatusPage:
    spec = ServeSpec(ModelSpec("/models/my model", "regression"))
    return StatusPage.of(spec, Settings.load(variables))


def facts(server: PredictionServer, ask: Ask) -> dict[str, Any]:
    reply = ask(server, "ui_facts")
    assert reply.status == 200
    found: dict[str, Any] = json.loads(reply.body)
    return found


def test_facts_before_the_model_is_there_are_those_of_the_command_line(ask: Ask) -> None:
    server = PredictionServer()
    server.show_status_page(page())
    found = facts(server, ask)
    assert found["model"] == {"name": "my model", "targetType": "regression"}
    assert found["server"]["state"] == "starting"
    assert found["predictionPaths"] == [
        "/predict/",
        "/transform/",
        "/predictUnstructured/",
        "/chat/completions",
    ]


def test_facts_of_a_model_that_could_not_be_loaded_say_why(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    masker = masking.Masker(["open sesame"])
    monkeypatch.setattr("datarobot_drum.drum.root_predictors.status_page.masked", masker.masked)
    server = PredictionServer()
    server.show_status_page(page())
    server.fail(StartupError("no artifact; open sesame"))
    found = facts(server, ask)["server"]
    assert (found["state"], found["message"]) == ("failed", "no artifact; *****")


@pytest.mark.parametrize(
    ("target", "code", "chats"), [("regression", SCORE, False), ("textgeneration", CHAT, True)]
)
def test_facts_of_a_model_tell_what_it_can(
    target: str, code: str, chats: bool, serve: Serve, ask: Ask
) -> None:
    server = serve(code, target)
    server.show_status_page(page())
    for state in ("ready", "draining"):
        found = facts(server, ask)
        assert found["server"]["state"] == state
        assert found["model"]["targetType"] == target
        assert found["model"]["canChat"] is chats
        server.drain()


@pytest.mark.parametrize(("value", "is_on"), [("true", True), ("false", False)])
def test_facts_tell_whether_there_are_metrics(value: str, is_on: bool, ask: Ask) -> None:
    server = PredictionServer()
    server.show_status_page(page(DRUM_METRICS_ENABLED=value))
    assert facts(server, ask)["metrics"] is is_on


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("user", 418, "not with sesame-street"),
        ("luck", 500, "Model 'score' hook failed to make predictions. Exception: ValueError"),
        ("", 422, "Samples should be provided as"),
    ],
)
def test_errors_are_those_that_clients_got(
    body: str, status: int, message: str, serve: Serve, ask: Ask
) -> None:
    server = serve(SCORE)
    server.show_status_page(page())
    record = Record("my-id", "POST", "/predict/")
    server.recorder.begin(record)
    record.status = ask(server, "predict", f"a\n{body}\n".encode() if body else b"").status
    server.recorder.end(record)
    (error,) = facts(server, ask)["errors"]
    assert (error["status"], error["requestId"]) == (status, "my-id")
    assert error["message"].startswith(message)


def test_bug_is_told_without_its_text() -> None:
    server = PredictionServer()
    record = Record("my-id", "POST", "/predict/")
    server.recorder.begin(record)
    try:
        raise ValueError("secret")
    except ValueError:
        server.internal_error()
    assert record.error == "internal error; the log tells more"


def test_routes_are_there_only_with_a_page() -> None:
    server = PredictionServer()
    assert STATUS_PAGE.isdisjoint(route.name for _, route in server.routes())
    server.show_status_page(page())
    assert {route.name for _, route in server.routes()} >= STATUS_PAGE


def test_files_of_the_page_are_all_served() -> None:
    served = {"index.html", *STATUS_PAGE_FILES}
    assert {path.name for path in FILES.iterdir()} == served
    assert {r.name for r in ROUTES if r.operation.startswith("ui")} == STATUS_PAGE


def test_files_are_read_when_the_page_is_made(tmp_path: Path) -> None:
    for name in ("index.html", *STATUS_PAGE_FILES):
        (tmp_path / name).write_text(name)
    spec = ServeSpec(ModelSpec(str(tmp_path)))
    made = StatusPage.of(spec, Settings.load({}), tmp_path)
    assert replace(made, files={}).name == tmp_path.name
    assert made.files["status.js"] == b"status.js"


OUTSIDE = re.compile(
    r"""(?:https?:)?//[a-z]|innerHTML|outerHTML|insertAdjacentHTML|document\.write"""
    r"""|\beval\(|style="|<script>|\son[a-z]+=""",
    re.IGNORECASE,
)


@pytest.mark.parametrize("name", ["index.html", *STATUS_PAGE_FILES])
def test_file_loads_nothing_from_elsewhere_and_makes_no_markup_of_texts(name: str) -> None:
    text = (FILES / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert OUTSIDE.findall(text) == []
