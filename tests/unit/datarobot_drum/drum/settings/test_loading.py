"""Which source of a setting wins, and what becomes of a bad value."""

from __future__ import annotations

import json
import logging

import pytest

from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.errors import UsageError
from datarobot_drum.drum.settings import Settings


def parameter(payload, type_name="numeric"):
    return json.dumps({"type": type_name, "payload": payload})


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING, "drum.settings")
    return lambda: caplog.messages


def test_runtime_parameter_beats_the_variable_of_the_same_name():
    environ = {
        "MLOPS_RUNTIME_PARAM_DRUM_UVICORN_KEEP_ALIVE": parameter(5),
        "DRUM_UVICORN_KEEP_ALIVE": "6",
    }
    assert Settings.load(environ).keep_alive == 5


@pytest.mark.parametrize(
    "name", ["DRUM_GUNICORN_KEEP_ALIVE", "MLOPS_RUNTIME_PARAM_DRUM_GUNICORN_KEEP_ALIVE"]
)
def test_alias_is_read_in_both_forms_after_the_name(name):
    assert Settings.load({name: "7"}).keep_alive == 7
    assert Settings.load({name: "7", "DRUM_UVICORN_KEEP_ALIVE": "6"}).keep_alive == 6


@pytest.mark.parametrize("text", [parameter(None), parameter(None, "string"), ""])
def test_null_or_empty_parameter_counts_as_not_given(text):
    environ = {"MLOPS_RUNTIME_PARAM_DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH": text}
    assert Settings.load(environ).queue_depth == 100


@pytest.mark.parametrize(
    ("text", "expected"), [(parameter(4), 4), (parameter(4.0), 4), (parameter("4"), 4), ("4", 4)]
)
def test_number_is_the_same_in_every_spelling(text, expected):
    environ = {"MLOPS_RUNTIME_PARAM_DRUM_FASTAPI_EXECUTOR_WORKERS": text}
    assert Settings.load(environ).executor_workers == expected


@pytest.mark.parametrize(
    "text", [parameter(False, "boolean"), parameter("false", "string"), "false"]
)
def test_text_false_is_false_in_every_spelling(text):
    environ = {"MLOPS_RUNTIME_PARAM_DRUM_CHECK_ROW_COUNT": text}
    assert Settings.load(environ).check_row_count is False


def test_option_beats_parameter_and_variable():
    environ = {"MLOPS_RUNTIME_PARAM_DRUM_SERVER_TYPE": "gunicorn", "DRUM_SERVER_TYPE": "fastapi"}
    assert Settings.load(environ, server_type="flask").server_type is ServerType.FLASK
    assert Settings.load(environ, server_type=None).server_type is ServerType.GUNICORN


@pytest.mark.parametrize(
    ("environ", "option", "expected"),
    [
        ({"MLOPS_RUNTIME_PARAM_CUSTOM_MODEL_WORKERS": parameter(2), "MAX_WORKERS": "4"}, 3, 2),
        ({"CUSTOM_MODEL_WORKERS": "2"}, 3, 2),
        ({"MAX_WORKERS": "4"}, 3, 3),
        ({"MAX_WORKERS": "4"}, None, 4),
        ({}, None, 1),
    ],
)
def test_workers_come_from_parameter_then_option_then_variable(environ, option, expected):
    assert Settings.load(environ, workers=option).workers == expected


@pytest.mark.parametrize("text", ["0", "200", "2.5", parameter(2.5), parameter(10**30)])
def test_workers_out_of_range_are_one_and_no_other_source_is_asked(warnings, text):
    environ = {"MLOPS_RUNTIME_PARAM_CUSTOM_MODEL_WORKERS": text, "MAX_WORKERS": "4"}
    assert Settings.load(environ).workers == 1
    assert len(warnings()) == 1


def test_workers_given_as_an_object_stop():
    text = parameter({"credentialType": "x"}, "credential")
    with pytest.raises(UsageError, match="CUSTOM_MODEL_WORKERS has the bad value of type dict"):
        Settings.load({"MLOPS_RUNTIME_PARAM_CUSTOM_MODEL_WORKERS": text})


def test_bad_option_is_named_as_the_option(warnings):
    assert Settings.load({}, workers=500).workers == 1
    assert warnings() == [
        "--max-workers has the bad value 500; use a whole number from 1 to 199; 1 is used instead"
    ]


def test_option_without_a_name_of_its_own_is_the_command_line(warnings):
    assert Settings.load({}, backlog=0).backlog == 2048
    assert warnings()[0].startswith("the command line has the bad value 0; use")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DRUM_CLIENT_REQUEST_TIMEOUT", "4000"),
        ("DRUM_CLIENT_REQUEST_TIMEOUT", "nan"),
        ("DRUM_FASTAPI_EXECUTOR_QUEUE_TIMEOUT", "0"),
        ("DRUM_GUNICORN_WORKER_CLASS", "tornado"),
        ("DRUM_UVICORN_LOOP", "rust"),
        ("DRUM_FASTAPI_ENABLE_DOCS", "maybe"),
        ("DRUM_IGNORE_SERVER_EXTENSIONS", "maybe"),
        ("DRUM_UVICORN_MAX_REQUESTS", "x" * 1000),
    ],
)
def test_bad_tuning_value_gets_one_warning_and_the_default(warnings, name, text):
    assert Settings.load({name: text}) == Settings()
    assert len(warnings()) == 1
    assert warnings()[0].startswith(f"{name} has the bad value '{text[:90]}")
    assert len(warnings()[0]) < 250


def test_each_of_several_bad_values_is_told(warnings):
    settings = Settings.load(
        {"DRUM_WEBSERVER_BACKLOG": "0", "DRUM_UVICORN_LOOP": "x", "MAX_WORKERS": "2"}
    )
    assert (settings.backlog, settings.uvicorn_loop, settings.workers) == (2048, "auto", 2)
    assert len(warnings()) == 2


def test_process_that_need_not_warn_uses_the_default_quietly(warnings):
    environ = {"DRUM_WEBSERVER_BACKLOG": "0"}
    assert Settings.load(environ, warn=False) == Settings()
    assert warnings() == []
    with pytest.raises(UsageError, match="DRUM_SERVER_TYPE has the bad value"):
        Settings.load({"DRUM_SERVER_TYPE": "tomcat"}, warn=False)


def test_override_of_an_unknown_setting_is_a_programming_error():
    with pytest.raises(TypeError, match="no such settings: speed"):
        Settings.load({}, speed=1)
