"""`UvicornConfig`: each field with its default, its range, and what a bad value does."""

from __future__ import annotations

import logging

import pytest
import uvicorn

from datarobot_drum.drum.errors import UsageError
from datarobot_drum.drum.fastapi.config import UvicornConfig

#: argument of Uvicorn, its parameter, default, smallest and largest value, values out of range
NUMBERS = (
    ("timeout_keep_alive", "DRUM_UVICORN_KEEP_ALIVE", 75, 0, 3600, (-1, 3601)),
    ("timeout_graceful_shutdown", "DRUM_UVICORN_GRACEFUL_TIMEOUT", 299, 1, 3600, (0, 3601)),
    ("backlog", "DRUM_WEBSERVER_BACKLOG", 2048, 1, 10_000, (0, 10_001)),
)
SENSELESS = ("many", "2.5", "nan", "1e999", '"5"')


def kwargs(**environ: object) -> dict:
    texts = {name: str(value) for name, value in environ.items()}
    return UvicornConfig.from_runtime_params(texts).to_uvicorn_kwargs()


@pytest.mark.parametrize(("field", "name", "default", "low", "high", "outside"), NUMBERS)
def test_number_is_taken_in_its_range_and_its_default_outside(
    field, name, default, low, high, outside
):
    assert kwargs()[field] == default
    for value in (low, high):
        assert kwargs(**{name: value})[field] == value
    for value in (*outside, *SENSELESS, ""):
        assert kwargs(**{name: value})[field] == default


@pytest.mark.parametrize(
    ("alias", "field"),
    [
        ("DRUM_GUNICORN_KEEP_ALIVE", "timeout_keep_alive"),
        ("DRUM_GUNICORN_GRACEFUL_TIMEOUT", "timeout_graceful_shutdown"),
    ],
)
def test_names_of_gunicorn_are_aliases_that_come_second(alias, field):
    assert kwargs(**{alias: 7})[field] == 7
    own = alias.replace("GUNICORN", "UVICORN")
    assert kwargs(**{alias: 7, own: 8})[field] == 8


@pytest.mark.parametrize("loop", ["auto", "asyncio", "uvloop"])
def test_event_loop_is_chosen_by_name_in_any_case(loop):
    assert kwargs(DRUM_UVICORN_LOOP=loop.upper())["loop"] == loop


def test_unknown_event_loop_is_the_default():
    assert kwargs(DRUM_UVICORN_LOOP="trio")["loop"] == kwargs()["loop"] == "auto"


def test_limit_of_connections_is_off_at_zero():
    assert kwargs()["limit_concurrency"] is None
    assert kwargs(DRUM_UVICORN_LIMIT_CONCURRENCY=0)["limit_concurrency"] is None
    assert kwargs(DRUM_UVICORN_LIMIT_CONCURRENCY=7)["limit_concurrency"] == 7


def test_runtime_parameter_may_be_the_object_of_the_platform():
    text = '{"type": "numeric", "payload": 9}'
    assert kwargs(MLOPS_RUNTIME_PARAM_DRUM_UVICORN_KEEP_ALIVE=text)["timeout_keep_alive"] == 9


def test_worker_does_not_repeat_the_warnings_of_the_launcher(caplog):
    caplog.set_level(logging.DEBUG)
    kwargs(DRUM_UVICORN_KEEP_ALIVE="long")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DRUM_SSL_CERTFILE", "/no/such/file"),
        ("DRUM_CORS_ENABLED", "maybe"),
        ("URL_PREFIX", "a b"),
        ("DRUM_SERVER_TYPE", "tomcat"),
        ("MLOPS_RUNTIME_PARAM_DRUM_UVICORN_KEEP_ALIVE", '{"type'),
    ],
)
def test_value_that_makes_a_start_impossible_is_named_in_one_line(name, value):
    with pytest.raises(UsageError, match=name) as caught:
        kwargs(**{name: value})
    assert "\n" not in str(caught.value)


def test_uvicorn_takes_every_argument_and_tells_no_version():
    config = uvicorn.Config("app:none", **kwargs())
    assert not config.server_header
    assert not config.access_log
    # the rule of trusted proxies is applied once, by the front
    assert not config.proxy_headers
    assert config.ws == "none"
