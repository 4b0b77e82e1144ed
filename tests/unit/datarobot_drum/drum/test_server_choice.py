"""The server type that answers: what was chosen, and what the folder's extensions allow."""

from __future__ import annotations

import pytest

from datarobot_drum.drum import entry_point, server_choice
from datarobot_drum.drum.enum import DEFAULT_SERVER_TYPE, ServerType
from datarobot_drum.drum.errors import StartupError, UsageError
from datarobot_drum.drum.settings import Settings

FLASK, GUNICORN, FASTAPI = ServerType.FLASK, ServerType.GUNICORN, ServerType.FASTAPI
get_server_type = server_choice._get_server_type


def test_entry_point_offers_the_choice():
    assert entry_point._get_server_type is get_server_type


@pytest.mark.parametrize(
    ("option", "parameter", "expected"),
    [
        (None, None, DEFAULT_SERVER_TYPE),
        (None, "gunicorn", GUNICORN),
        ("FastAPI", "gunicorn", FASTAPI),
        ("uvicorn", None, FASTAPI),
        ("Werkzeug", None, FLASK),
    ],
)
def test_option_beats_the_parameter_and_that_the_default(option, parameter, expected):
    settings = Settings.load({"DRUM_SERVER_TYPE": parameter} if parameter else {})
    assert get_server_type(option, settings, set()) is expected


def test_unknown_option_lists_the_valid_names():
    with pytest.raises(UsageError, match="'nginx'; use one of flask, gunicorn, fastapi, werkzeug"):
        get_server_type("nginx", Settings.load({}), set())


@pytest.mark.parametrize("option", [None, "fastapi"])
def test_flask_extension_alone_falls_back_to_flask_and_says_how_to_migrate(option, caplog):
    assert get_server_type(option, Settings.load({}), {"custom_flask"}) is FLASK
    assert "served by flask" in caplog.text
    assert "in custom_fastapi.py" in caplog.text


@pytest.mark.parametrize("option", ["flask", "gunicorn"])
def test_flask_extension_leaves_a_chosen_flask_or_gunicorn(option, caplog):
    server_type = get_server_type(option, Settings.load({}), {"custom_flask"})
    assert (server_type, caplog.text) == (ServerType(option), "")


@pytest.mark.parametrize("option", ["flask", "gunicorn"])
def test_fastapi_extension_alone_refuses_another_server(option):
    with pytest.raises(StartupError, match="DRUM_IGNORE_SERVER_EXTENSIONS=true"):
        get_server_type(option, Settings.load({}), {"custom_fastapi"})


@pytest.mark.parametrize("option", [None, "fastapi"])
def test_fastapi_extension_alone_chooses_fastapi(option):
    assert get_server_type(option, Settings.load({}), {"custom_fastapi"}) is FASTAPI


@pytest.mark.parametrize("option", ["flask", "gunicorn", "fastapi"])
def test_both_extensions_leave_the_choice(option, caplog):
    server_type = get_server_type(option, Settings.load({}), {"custom_flask", "custom_fastapi"})
    assert (server_type, caplog.text) == (ServerType(option), "")


@pytest.mark.parametrize("name", ["custom_flask", "custom_fastapi"])
@pytest.mark.parametrize("option", ["flask", "fastapi"])
def test_ignored_extensions_change_nothing(option, name):
    settings = Settings.load({"DRUM_IGNORE_SERVER_EXTENSIONS": "true"})
    assert get_server_type(option, settings, {name}) is ServerType(option)
