"""The platform's client is set up once, and its token is in no message."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stand_ins.platform import TOKEN, Platform, platform

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.platform_services.api_access import connect, endpoint
from datarobot_drum.drum.platform_services.preparation import prepare
from datarobot_drum.drum.settings import ModelSpec, Settings


@pytest.fixture
def service() -> Iterator[Platform]:
    with platform() as service:
        yield service


@pytest.mark.parametrize("text", ["http://x", "http://x/", "http://x/api/v2", "http://x/api/v2/"])
def test_path_of_the_api_is_added_once(text: str):
    assert endpoint(text) == "http://x/api/v2"


def test_client_of_the_library_speaks_to_the_platform(service: Platform):
    import datarobot

    connect(service.url, TOKEN)
    assert service.requests == [("GET", "/version/")]
    assert datarobot.client.get_client().endpoint == f"{service.url}/api/v2"
    assert datarobot.client.get_client().token == TOKEN


def test_refused_token_ends_the_start_and_is_not_told(service: Platform):
    with pytest.raises(StartupError, match="the token was refused") as error:
        connect(service.url, "wrong-token-1")
    assert "wrong-token-1" not in str(error.value)
    assert error.value.__suppress_context__


def test_error_of_the_platform_ends_the_start(service: Platform):
    service.fails = "/version/"
    with pytest.raises(StartupError, match="platform's API cannot be used: .*check the address"):
        connect(service.url, TOKEN)


def test_platform_that_is_not_there_ends_the_start(free_port: int):
    with pytest.raises(StartupError, match="cannot be used: "):
        connect(f"http://127.0.0.1:{free_port}", TOKEN)


@pytest.mark.parametrize("place", [(None, "t"), ("http://x", None)])
def test_address_and_token_are_needed(place: tuple[str | None, str | None]):
    with pytest.raises(StartupError, match="needs its address and a token"):
        connect(*place)


def test_missing_library_tells_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datarobot", None)
    with pytest.raises(StartupError, match=r"pip install 'opendrum\[datarobot\]'"):
        connect("http://x", "t")


def test_access_is_prepared_before_the_model_is_loaded(service: Platform, tmp_path: Path):
    settings = Settings.load({"EXTERNAL_WEB_SERVER_URL": service.url, "API_TOKEN": TOKEN})
    prepare(ModelSpec(str(tmp_path), allow_api_access=True), settings, {})
    assert service.requests == [("GET", "/version/")]
    assert TOKEN not in repr(settings)


def test_nothing_is_prepared_where_nobody_asked(tmp_path: Path):
    prepare(ModelSpec(str(tmp_path)), Settings.load({}), {})
