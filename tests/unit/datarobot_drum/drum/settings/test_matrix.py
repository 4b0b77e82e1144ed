"""Every number among the settings: absent, at its limits, beyond them, and no number at all.

Row 1 of the conformance table: each parameter: absent, minimum, maximum, below, above, text,
null, bare word.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from datarobot_drum.drum.errors import UsageError
from datarobot_drum.drum.settings import Settings
from datarobot_drum.drum.settings.loading import source_of
from datarobot_drum.drum.settings.ranges import describe_range, plain_type

NUMBERS = {
    name: field
    for name, field in Settings.model_fields.items()
    if plain_type(field.annotation) in (int, float) and source_of(field).name
}
SWITCHES = {
    name: field
    for name, field in Settings.model_fields.items()
    if plain_type(field.annotation) is bool
}


def bounds(field: FieldInfo) -> tuple[list[Any], list[Any]]:
    """Values that are in the range, at its ends, and values just outside."""
    inside: list[Any] = []
    outside: list[Any] = []
    for rule in field.metadata:
        if isinstance(rule, Ge):
            inside, outside = [*inside, rule.ge], [*outside, rule.ge - 1]  # type: ignore[operator]
        elif isinstance(rule, Gt):
            outside.append(rule.gt)
        elif isinstance(rule, Le):
            inside, outside = [*inside, rule.le], [*outside, rule.le + 1]  # type: ignore[operator]
    return inside, outside


def load(field: FieldInfo, text: str, *, as_object: bool = False) -> Settings:
    parameter = source_of(field).name
    needed = {"DRUM_SSL_CERT_REQS": {"DRUM_SSL_CA_CERTS": __file__, "DRUM_SSL_CERTFILE": __file__}}
    variable = f"MLOPS_RUNTIME_PARAM_{parameter}" if as_object else str(parameter)
    return Settings.load({variable: text, **needed.get(str(parameter), {})})


@pytest.mark.parametrize("name", NUMBERS)
def test_number_is_taken_at_the_ends_of_its_range(name):
    field = NUMBERS[name]
    inside, _ = bounds(field)
    assert inside
    for value in inside:
        assert getattr(load(field, str(value)), name) == value
        text = json.dumps({"type": "numeric", "payload": value})
        assert getattr(load(field, text, as_object=True), name) == value


@pytest.mark.parametrize("name", NUMBERS)
def test_number_that_is_absent_or_null_is_the_default(name):
    field = NUMBERS[name]
    assert getattr(load(field, ""), name) == field.default
    null = json.dumps({"type": "numeric", "payload": None})
    assert getattr(load(field, null, as_object=True), name) == field.default


@pytest.mark.parametrize("name", NUMBERS)
def test_value_that_is_no_number_of_the_range_is_told_with_name_value_and_range(name, caplog):
    field = NUMBERS[name]
    for value in (*bounds(field)[1], "many", "1e999", "nan"):
        caplog.clear()
        told = refusal(field, name, str(value), caplog)
        assert str(source_of(field).name) in told
        assert str(value) in told
        assert describe_range(field) in told


def refusal(field: FieldInfo, name: str, text: str, caplog: pytest.LogCaptureFixture) -> str:
    """The one line about a bad value: the error that stops the start, or the warning."""
    stops_on = source_of(field).stops_on
    caplog.set_level(logging.WARNING)
    try:
        settings = load(field, text)
    except UsageError as error:
        assert stops_on != "nothing"
        return str(error)
    assert stops_on != "anything"
    assert getattr(settings, name) == field.default
    (record,) = caplog.records
    assert repr(field.default) in record.getMessage()
    return record.getMessage()


@pytest.mark.parametrize("name", SWITCHES)
def test_switch_takes_words_and_refuses_others(name, caplog):
    field = SWITCHES[name]
    both = {"DRUM_CORS_ORIGINS": "https://a.example"}
    parameter = str(source_of(field).name)
    for word, value in (("true", True), ("0", False), ("OFF", False), ("yes", True)):
        assert getattr(Settings.load({parameter: word, **both}), name) is value
    told = refusal(field, name, "maybe", caplog)
    assert parameter in told
    assert "true or false" in told
