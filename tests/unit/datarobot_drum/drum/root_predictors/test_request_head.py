"""What a head is read as; what is refused is in tests/operations/http_requests.py."""

from __future__ import annotations

import pytest
from tests.operations.http_requests import CASES, FIELDS, HOST, REQUEST_LINES, get, post

from datarobot_drum.drum.errors import RefusedRequest
from datarobot_drum.drum.root_predictors.framing import Framing
from datarobot_drum.drum.root_predictors.request_head import MAX_HEAD, check_head


def verdict(request: bytes) -> int:
    """The status of what is wrong with a request, or 200."""
    framing = Framing()
    framing.add(request)
    try:
        while framing.take():
            continue
        framing.end()
    except RefusedRequest as error:
        return error.status
    return 200


#: What is over the limit for bodies is refused by the app, not here.
OURS = [case for case in CASES if case.name != "Content-Length beyond the limit"]


@pytest.mark.parametrize("case", OURS, ids=lambda case: case.name)
def test_verdict_is_that_of_the_rules(case):
    # 404 and 405 are the app's
    assert verdict(case.request) == (case.status if case.is_refused else 200)


@pytest.mark.parametrize("case", [*REQUEST_LINES, *FIELDS], ids=lambda case: case.name)
def test_verdict_on_a_head_does_not_depend_on_its_packets(case):
    framing = Framing()
    with pytest.raises(RefusedRequest) as caught:
        for at in range(len(case.request)):
            framing.add(case.request[at : at + 1])
            framing.take()
    assert caught.value.status == case.status


def test_head_that_needs_no_change_is_passed_on_as_it_came():
    request = get(HOST, b"X-A: 1")
    head = check_head(request)
    assert (head.data, head.method, head.target, head.version) == (
        request,
        b"GET",
        b"/ping/",
        b"1.1",
    )


@pytest.mark.parametrize(
    ("request_bytes", "passed_on"),
    [
        (
            get(b"Host: a", b"X: 1", target=b"HTTP://b:80/c?d"),
            b"GET /c?d HTTP/1.1\r\nHost: b:80\r\nX: 1\r\n\r\n",
        ),
        (get(b"Host: a", target=b"http://b?c"), b"GET /?c HTTP/1.1\r\nHost: b\r\n\r\n"),
        (get(b"Host: a", first=b"OPTIONS * HTTP/1.1"), b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (get(b"Host: a", first=b"GET / HTTP/1.9"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (get(b"UpGrade: h2c", first=b"GET / HTTP/1.0"), b"GET / HTTP/1.0\r\n\r\n"),
    ],
)
def test_head_is_brought_into_the_form_that_all_parsers_agree_on(request_bytes, passed_on):
    assert check_head(request_bytes).data == passed_on


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        ([b"Content-Length: 007"], 7),
        ([b"Transfer-Encoding: CHUNKED"], None),
    ],
)
def test_head_tells_the_length_of_the_body(lines, length):
    assert check_head(post(*lines)).length == length


def test_head_that_is_larger_than_a_whole_one_may_be_is_refused():
    with pytest.raises(RefusedRequest, match="larger than 65536 bytes") as caught:
        check_head(get(HOST, *[b"X: " + b"a" * 8000] * 9))
    assert (caught.value.status, MAX_HEAD) == (431, 65536)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"Authorization Bearer s3cret", "has no colon"),
        (b"s3cret", "has no colon"),
        (b"Authorization Bearer s3cret:", "malformed after 'Authorization'"),
        (b"(s3cret): 1", "malformed after ''"),
        (b"X-Key: s3cret\x01", "'X-Key' has a control character"),
    ],
)
def test_malformed_header_is_told_without_what_may_be_a_secret(line, says):
    with pytest.raises(RefusedRequest) as refused:
        check_head(get(HOST, line))
    assert says in str(refused.value)
    assert "s3cret" not in str(refused.value)
