"""Where requests begin and end, however their bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.operations.http_requests import BODY, HOST, chunked, get, sized

from datarobot_drum.drum.errors import RefusedRequest
from datarobot_drum.drum.root_predictors.framing import Framing

STREAM = (
    get(HOST)
    + sized(b"8")
    + chunked(b"4;a=b\r\na,b\n\r\n04\r\n1,2\n\r\n0\r\nX-Sum: 1\r\n\r\n")
    + b"\r\n"
    + get(HOST)
)


def taken(framing: Framing, data: bytes) -> list[bytes]:
    """What comes out for `data`."""
    framing.add(data)
    pieces = []
    while piece := framing.take():
        pieces.append(piece)
    return pieces


def body_of(chunks: bytes) -> bytes:
    """The data of a well-formed chunked body without extensions and trailers."""
    body, rest = b"", chunks
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


def test_requests_come_out_one_after_another():
    pieces = taken(Framing(), STREAM)
    assert pieces == [
        get(HOST),
        sized(b"8")[:-8],
        BODY,
        chunked(b""),
        b"8\r\na,b\n1,2\n\r\n0\r\n\r\n",
        get(HOST),
    ]


@given(st.lists(st.integers(0, len(STREAM)), max_size=30).map(sorted))
def test_requests_do_not_depend_on_how_they_are_cut(cuts):
    framing, whole = Framing(), b""
    for begin, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True):
        whole += b"".join(taken(framing, STREAM[begin:end]))
    head = b"".join([get(HOST), sized(b"8"), chunked(b"")])
    assert (whole.startswith(head), whole.endswith(get(HOST))) == (True, True)
    assert body_of(whole[len(head) : -len(get(HOST))]) == BODY
    assert (framing.in_body, framing.in_head) == (False, False)


def test_many_small_chunks_are_joined():
    framing = Framing()
    taken(framing, chunked(b""))
    assert taken(framing, b"6\r\nsixsix\r\n" * 50_000) == [
        b"493e0\r\n" + b"sixsix" * 50_000 + b"\r\n"
    ]


def test_state_tells_what_is_awaited():
    framing = Framing()
    taken(framing, get(HOST)[:-2])
    assert (framing.in_head, framing.in_body, framing.start) == (True, False, get(HOST)[:-2])
    taken(framing, b"\r\n" + sized(b"10"))
    assert (framing.in_head, framing.in_body, framing.lacks_body) == (False, True, True)
    framing.add(b"xx")
    assert (framing.in_body, framing.lacks_body) == (True, False)
    taken(framing, b"")
    assert (framing.in_body, framing.lacks_body) == (False, False)


@pytest.mark.parametrize(
    ("rest", "message", "status"),
    [
        (b"8" * 300, "the line before a chunk is longer than 256 bytes", 400),
        (b"0\r\nX: " + b"a" * 9000, "a trailer field is longer than 8190 bytes", 431),
        (b"0\r\n" + b"X: 1\r\n" * 101, "more than 100 trailer fields", 431),
        (b"8\n", "bare line feed", 400),
    ],
)
def test_chunked_body_is_bounded(rest, message, status):
    framing = Framing()
    framing.add(chunked(rest))
    framing.take()
    with pytest.raises(RefusedRequest, match=message) as caught:
        framing.take()
    assert caught.value.status == status


@pytest.mark.parametrize("data", [b"", get(HOST), get(HOST)[:-2]])
def test_client_may_end_between_requests_and_in_a_head(data):
    framing = Framing()
    taken(framing, data)
    framing.end()


@pytest.mark.parametrize("packets", [[b"\r\n\r\n" + get(HOST)], [b"\r\n", b"\r\n", get(HOST)]])
def test_only_one_empty_line_is_ignored_before_a_request(packets):
    framing = Framing()
    with pytest.raises(RefusedRequest, match="request line is malformed"):
        for packet in packets:
            framing.add(packet)
            framing.take()
