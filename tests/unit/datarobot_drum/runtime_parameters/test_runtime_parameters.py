"""Reading runtime parameters as model code does."""

from __future__ import annotations

import json

import pytest

from datarobot_drum.runtime_parameters import RuntimeParameters
from datarobot_drum.runtime_parameters.exceptions import (
    InvalidJsonException,
    InvalidRuntimeParam,
    RuntimeParameterException,
)


@pytest.fixture
def give(monkeypatch):
    def give(text):
        monkeypatch.setenv("MLOPS_RUNTIME_PARAM_P", text)

    return give


def test_get_names_a_parameter_that_was_not_given():
    with pytest.raises(ValueError, match="Runtime parameter 'P' does not exist!"):
        RuntimeParameters.get("P")


def test_get_takes_one_argument_only():
    with pytest.raises(TypeError):
        RuntimeParameters.get("P", "default")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("type_name", "payload"),
    [
        ("string", "x"),
        ("boolean", False),
        ("numeric", 3),
        ("numeric", 2.5),
        ("numeric", "3"),
        ("deployment", "655270e368a555f026e2512d"),
        ("credential", {"credentialType": "basic", "user": "u"}),
        ("string", None),
        ("credential", None),
    ],
)
def test_get_gives_the_payload_as_it_was_sent(give, type_name, payload):
    give(json.dumps({"type": type_name, "payload": payload}))
    assert RuntimeParameters.has("P")
    assert RuntimeParameters.get("P") == payload


@pytest.mark.parametrize("text", ["gunicorn", "3", "true", "", "a{b}"])
def test_get_reads_a_bare_value_as_text(give, text):
    give(text)
    assert RuntimeParameters.get("P") == text


@pytest.mark.parametrize(
    "text", ["{", "[1", '"x', '{"type": "numeric", "payload": NaN}', "[" * 99999]
)
def test_get_refuses_text_that_looks_like_json_and_is_broken(give, text):
    give(text)
    with pytest.raises(InvalidJsonException, match="json payload. MLOPS_RUNTIME_PARAM_P"):
        RuntimeParameters.get("P")


@pytest.mark.parametrize(
    "text",
    [
        '"x"',
        "[]",
        '{"payload": 1}',
        '{"type": "string", "payload": "x", "extra": 1}',
        '{"type": "weird", "payload": "x"}',
        '{"type": 1, "payload": "x"}',
        '{"type": "string", "payload": ""}',
        '{"type": "string", "payload": 1}',
        '{"type": "boolean", "payload": "yes"}',
        '{"type": "numeric", "payload": true}',
        '{"type": "numeric", "payload": "many"}',
        '{"type": "numeric", "payload": "inf"}',
        '{"type": "numeric", "payload": 1%s}' % ("0" * 400),
        '{"type": "credential", "payload": {"user": "u"}}',
        '{"type": "deployment", "payload": {}}',
    ],
)
def test_get_refuses_json_that_is_no_parameter(give, text):
    give(text)
    with pytest.raises(
        InvalidRuntimeParam, match="Invalid runtime parameter! MLOPS_RUNTIME_PARAM_P"
    ):
        RuntimeParameters.get("P")


@pytest.mark.parametrize("text", ['{"key": "s3cret"}', '{"key": "s3cret'])
def test_get_never_repeats_what_may_be_a_secret(give, text):
    give(text)
    with pytest.raises(RuntimeParameterException) as caught:
        RuntimeParameters.get("P")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
