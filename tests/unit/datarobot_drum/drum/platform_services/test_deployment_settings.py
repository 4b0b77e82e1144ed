"""Texts of chats are reported only where the deployment wants them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.stand_ins.platform import TOKEN, Platform, platform

from datarobot_drum.drum.platform_services import deployment_settings
from datarobot_drum.drum.platform_services.deployment_settings import WantsTexts

ON, OFF = {"enabled": True}, {"enabled": False}


@pytest.fixture
def service() -> Iterator[Platform]:
    with platform() as service:
        yield service


def asking(service: Platform) -> WantsTexts:
    return WantsTexts(f"{service.url}/api/v2", TOKEN, "d-1")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"targetDrift": OFF, "featureDrift": OFF, "predictionsDataCollection": OFF}, False),
        ({"targetDrift": ON, "featureDrift": OFF, "predictionsDataCollection": OFF}, True),
        ({"targetDrift": OFF, "featureDrift": ON}, True),
        ({"predictionsDataCollection": ON}, True),
        ({"targetDrift": None}, False),
    ],
)
def test_one_setting_that_is_on_is_enough(settings: Any, wanted: bool, service: Platform):
    service.settings = settings
    assert asking(service)() is wanted
    assert service.requests == [("GET", "/deployments/d-1/settings/")]


def test_platform_is_asked_again_only_after_a_while(
    service: Platform, monkeypatch: pytest.MonkeyPatch
):
    wants = asking(service)
    assert [wants(), wants()] == [False, False]
    assert len(service.requests) == 1
    service.settings = {"targetDrift": ON}
    monkeypatch.setattr(deployment_settings, "REFRESH", 0)
    assert wants()


def test_last_answer_counts_while_the_platform_gives_none(
    service: Platform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(deployment_settings, "REFRESH", 0)
    wants = asking(service)
    assert not wants()
    service.fails = "/deployments/d-1/settings/"
    assert not wants()
    service.fails, service.settings = None, ["odd"]
    assert not wants()
    assert "cannot be read (HTTPStatusError)" in caplog.text and TOKEN not in caplog.text


def test_texts_are_wanted_until_the_platform_has_answered(free_port: int):
    assert WantsTexts(f"http://127.0.0.1:{free_port}/api/v2", TOKEN, "d-1")()
