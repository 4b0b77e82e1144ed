"""The logger that old model code asks for."""

from __future__ import annotations

from datarobot_drum.drum.common import get_drum_logger


def test_logger_is_one_of_the_runner():
    logger = get_drum_logger("mine")
    assert logger.name == "drum.mine"
    assert logger.parent is not None
