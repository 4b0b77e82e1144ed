"""Moderation wraps the hooks of text models, and its absence is told or refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.payloads import Payload

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures"
ROWS = Payload(b"promptText\nhi\nho\n", from_request=True)

HOOKS = """
def score(data, model, **kwargs):
    return pd.DataFrame({"completion": ["echo"] * len(data)})

def chat(params, model, **kwargs):
    return {"object": "chat.completion", "keywords": sorted(kwargs)}
"""

Load = Callable[..., Any]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FIXTURES / "moderation"))


@pytest.fixture
def moderated(library: None, load: Load, tmp_path: Path) -> Load:
    (tmp_path / "moderation_config.yaml").write_text("timeout_sec: 5\n")
    return load


def test_score_goes_through_the_pipeline_and_completion_gets_the_target_name(moderated: Load):
    predictions = moderated(HOOKS).predict(ROWS)
    assert list(predictions.frame["Predictions"]) == ["echo", "echo"]
    assert list(predictions.extra["moderated"]) == [True, True]


def test_column_of_the_target_name_is_left_as_it_is(moderated: Load):
    predictions = moderated(HOOKS.replace("completion", "text")).predict(ROWS)
    assert list(predictions.frame["Predictions"]) == ["echo", "echo"]


def test_chat_tells_the_pipeline_the_association_id(moderated: Load, tmp_path: Path):
    answer = moderated(HOOKS).chat({"a": 1}, {"H": "x"}, association_id="id-1")
    assert answer["keywords"] == ["headers"]
    assert answer["moderation"] == {
        "target_type": "textgeneration",
        "model_dir": str(tmp_path),
        "association_id": "id-1",
        "keywords": ["headers"],
    }


def test_chat_hook_of_two_arguments_gets_no_headers(moderated: Load):
    model = moderated("def chat(params, model): return {'object': 'chat.completion'}")
    assert model.chat({}, {}, association_id=7)["moderation"]["keywords"] == []


def test_coroutine_hooks_are_moderated_too(moderated: Load):
    model = moderated(HOOKS.replace("def chat", "async def chat"))
    assert model.chat({}, {}, association_id="1")["moderation"]["association_id"] == "1"


def test_other_hooks_are_not_touched(moderated: Load):
    hook = "def get_supported_llm_models(model): return [{'object': 'model', 'id': 'a'}]"
    assert moderated(HOOKS + hook).llm_models() == [{"object": "model", "id": "a"}]


def test_folder_without_the_settings_file_is_not_moderated(library: None, load: Load):
    assert load(HOOKS.replace("completion", "text")).predict(ROWS).extra is None


def test_target_that_is_no_text_is_not_moderated(moderated: Load):
    code = "def score(data, model): return pd.DataFrame({'Predictions': [1.0] * len(data)})"
    assert moderated(code, "regression").predict(ROWS).extra is None


@pytest.fixture
def unmoderated(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    (tmp_path / "moderation_config.yaml").touch()
    monkeypatch.setitem(sys.modules, "datarobot_dome", None)
    return load


def test_missing_library_is_a_warning(unmoderated: Load, caplog: pytest.LogCaptureFixture):
    model = unmoderated(HOOKS.replace("completion", "text"))
    assert "answers are NOT moderated" in caplog.text
    assert list(model.predict(ROWS).frame["Predictions"]) == ["echo", "echo"]


def test_missing_library_is_refused_where_moderation_is_required(unmoderated: Load):
    with pytest.raises(StartupError, match="moderation is required"):
        unmoderated(HOOKS, DRUM_MODERATION_REQUIRED="true")


def test_library_without_the_factory_counts_as_missing(
    moderated: Load, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    import datarobot_dome.drum_integration as library

    monkeypatch.delattr(library, "moderation_pipeline_factory")
    moderated(HOOKS)
    assert "moderation_pipeline_factory" in caplog.text


def test_pipeline_that_cannot_be_made_ends_the_start(
    moderated: Load, monkeypatch: pytest.MonkeyPatch
):
    import datarobot_dome.drum_integration as library

    monkeypatch.setattr(library, "moderation_pipeline_factory", lambda kind, model_dir: 1 / 0)
    with pytest.raises(StartupError, match="moderation of the model cannot start: ZeroDivision"):
        moderated(HOOKS)
