"""The text that carries a parameter."""

from __future__ import annotations

import datetime

from datarobot_drum.runtime_parameters.transport import Parameter, decode, encode, variable_name


def test_decode_reads_what_encode_wrote():
    text = encode("numeric", 3)
    assert text == '{"type": "numeric", "payload": 3}'
    assert decode(variable_name("N"), text) == Parameter("numeric", 3)


def test_decode_tells_a_bare_value_by_its_missing_type():
    assert decode("V", "fastapi") == Parameter(None, "fastapi")


def test_encode_writes_a_date_of_yaml_as_text():
    payload = {"credentialType": "basic", "until": datetime.date(2030, 1, 2)}
    assert '"until": "2030-01-02"' in encode("credential", payload)
