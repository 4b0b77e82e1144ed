"""What is asked before all settings are read."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.settings import wants_json_logs

PARAMETER = "MLOPS_RUNTIME_PARAM_DRUM_JSON_LOGGING"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"DRUM_JSON_LOGGING": "true"}, True),
        ({PARAMETER: '{"type": "boolean", "payload": true}'}, True),
        ({PARAMETER: "1", "DRUM_JSON_LOGGING": "false"}, True),
        ({"DRUM_JSON_LOGGING": "perhaps"}, False),
        ({PARAMETER: '{"type": '}, False),
    ],
)
def test_form_of_the_log_is_known_early_and_without_a_word(
    environment: dict[str, str], wanted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert wants_json_logs(environment) is wanted
    assert caplog.text == ""
