"""Deadlines of requests."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.errors import DeadlineExceeded
from datarobot_drum.drum.root_predictors.deadlines import Deadline


def test_deadline_that_has_passed_says_what_did_not_happen() -> None:
    Deadline(60).check("nothing came")
    with pytest.raises(DeadlineExceeded, match=r"^nothing came within -1 s"):
        Deadline(-1).check("nothing came")
