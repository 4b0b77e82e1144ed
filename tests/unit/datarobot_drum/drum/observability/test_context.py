"""The request id of the running code."""

from __future__ import annotations

from contextvars import copy_context

from datarobot_drum.drum.observability.context import request_id


def test_request_id_is_empty_outside_a_request_and_stays_in_its_context() -> None:
    copy_context().run(request_id.set, "r1")
    assert request_id.get() == ""
