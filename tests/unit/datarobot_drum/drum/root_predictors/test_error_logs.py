"""What the log tells of an error answer: as loud as it is bad, with the cause where it is ours."""

from __future__ import annotations

import logging

import pytest

from datarobot_drum.drum.errors import (
    DeadlineExceeded,
    DrumError,
    InvalidInput,
    InvalidOutput,
    NotReady,
    Overloaded,
)
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (InvalidOutput("3 rows for 2"), logging.ERROR),
        (Overloaded("full"), logging.WARNING),
        (DeadlineExceeded("slow"), logging.WARNING),
        (InvalidInput("no data"), logging.INFO),
        (NotReady("loading"), logging.INFO),
    ],
)
def test_error_answer_leaves_a_line_of_its_weight(
    error: DrumError, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    PredictionServer().error_reply(error)
    (record,) = caplog.records
    assert (record.levelno, str(error) in record.getMessage()) == (level, True)
