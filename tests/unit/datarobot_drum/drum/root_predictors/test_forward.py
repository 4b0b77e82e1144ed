"""What is sent to an inference server and what is sent back, decided without any I/O."""

from __future__ import annotations

import httpx
import pytest

from datarobot_drum.drum.errors import (
    DrumError,
    MalformedRequest,
    NotFound,
    UpstreamError,
    UpstreamTimeout,
)
from datarobot_drum.drum.root_predictors import forward
from datarobot_drum.drum.upstream import Upstream

NIM = Upstream("NIM", "http://inside:9999", "/v1/health/ready", timeout=7)


def plan(path: bytes = b"/nim/x", prefix: str = "", **headers: str) -> forward.Plan:
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return forward.plan(NIM, forward.Incoming("POST", path, b"a=%20", pairs), prefix)


def test_target_is_the_raw_path_below_the_route() -> None:
    found = plan(b"/models/a/directAccess/v1/%2f/", "/models/a")
    assert (found.address, found.target) == ("http://inside:9999", b"/v1/%2f/?a=%20")


@pytest.mark.parametrize("path", [b"/nim", b"/nim/", b"/other/x", b"/nim//x", b"/nim/%2fx"])
def test_path_that_leads_nowhere_is_not_found(path: bytes) -> None:
    with pytest.raises(NotFound):
        plan(path)


@pytest.mark.parametrize(
    ("headers", "has_body", "length"),
    [
        ({}, False, None),
        ({"Content_Length": "0"}, False, 0),
        ({"Content_Length": "7"}, True, 7),
        ({"Transfer_Encoding": "chunked"}, True, None),
        ({"Transfer_Encoding": "chunked", "Content_Length": "7"}, True, None),
    ],
)
def test_body_is_announced_in_one_way(headers, has_body, length) -> None:
    found = plan(**headers)
    assert (found.has_body, found.length) == (has_body, length)


def test_timeouts_are_those_of_the_server_and_short_for_the_connection() -> None:
    timeout = forward.extensions(plan())["timeout"]
    assert timeout == {"connect": 7, "read": 7, "write": 7, "pool": 7}
    patient = forward.extensions(forward.health_plan(NIM))
    assert patient["timeout"]["read"] == 5
    assert patient["target"] == b"/v1/health/ready"


def test_decoded_path_is_quoted_again() -> None:
    assert forward.quoted("/a b/\u00e9:@".encode()) == b"/a%20b/%C3%A9:@"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx.ConnectError("to inside:9999"), UpstreamError, "cannot be reached"),
        (httpx.ReadError("x"), UpstreamError, "cannot be reached"),
        (httpx.RemoteProtocolError("x"), UpstreamError, "cannot be reached"),
        (httpx.ConnectTimeout("x"), UpstreamTimeout, "does not accept connections"),
        (httpx.ReadTimeout("x"), UpstreamTimeout, "did not answer within 3 s"),
        (httpx.LocalProtocolError("x"), MalformedRequest, "cannot be sent on"),
    ],
)
def test_error_of_the_client_library_has_a_status_and_names_no_host(
    error: Exception, kind: type[DrumError], words: str
) -> None:
    found = forward.failure(error, "NIM", 3)
    assert type(found) is kind
    assert words in str(found)
    assert "inside" not in str(found)
    assert found.__cause__ is error


def test_health_is_good_between_200_and_299() -> None:
    answers = {status: forward.Health.answered(status, b"").is_good for status in (200, 299, 300)}
    assert answers == {200: True, 299: True, 300: False}
    assert forward.Health.answered(200, b"\xff").text == "\ufffd"


@pytest.mark.parametrize(("told", "status"), [(204, 200), (304, 503), (600, 503), (99, 503)])
def test_health_is_answered_with_a_status_that_has_a_body(told: int, status: int) -> None:
    assert forward.Health.answered(told, b"").status == status


@pytest.mark.parametrize(("status", "kept"), [(200, True), (404, True), (204, False), (304, False)])
def test_length_is_sent_back_where_there_may_be_a_body(status: int, kept: bool) -> None:
    length = (b"Content-Length", b"5")
    assert (length in forward.reply_headers("NIM", status, [length])) is kept


@pytest.mark.parametrize("status", [101, 600])
def test_status_that_is_none_is_a_bad_gateway(status: int) -> None:
    with pytest.raises(UpstreamError, match=f"the NIM server answered with the status {status}"):
        forward.reply_headers("NIM", status, [])
