"""What the framing lets through, the parsers of both production servers read alike."""

from __future__ import annotations

from dataclasses import dataclass, field

import httptools
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData
from gunicorn.http.parser import RequestParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.operations.http_requests import CASES

from datarobot_drum.drum.errors import RefusedRequest
from datarobot_drum.drum.fastapi.protocol import PARSED_AS, PARSED_METHODS
from datarobot_drum.drum.root_predictors.framing import Framing

REQUESTS = [case.request for case in CASES if len(case.request) < 2000]
#: Bytes that decide where something begins or ends.
CUTS = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b";", b"0", b"\x00", b"\xff"]
)


@dataclass
class Read:
    """What a parser has read of one request."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""


@dataclass
class Httptools:
    """Collects what Uvicorn's parser says."""

    reads: list[Read] = field(default_factory=list)
    complete: int = 0

    def on_message_begin(self) -> None:
        self.reads.append(Read("", "", []))

    def on_url(self, url: bytes) -> None:
        self.reads[-1].target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        pair = (name.decode("latin-1").upper(), value.decode("latin-1").strip(" \t"))
        self.reads[-1].headers.append(pair)

    def on_body(self, body: bytes) -> None:
        self.reads[-1].body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def let_through(data: bytes) -> list[tuple[bytes, bytes]]:
    """Pieces that come out for `data` until its last request, each with that one's method."""
    framing, pieces = Framing(), []
    framing.add(data)
    try:
        while piece := framing.take():
            head = framing.head
            assert head is not None
            pieces.append((head.method, piece))
            if (head.closes or head.version == b"1.0") and not framing.in_body:
                break
    except RefusedRequest:
        # what is wrong ends the connection; what came before it counts
        pass
    return pieces


def read_by_httptools(pieces: list[tuple[bytes, bytes]]) -> list[Read]:
    """The whole requests, as Uvicorn's parser reads them."""
    collected = Httptools()
    parser = httptools.HttpRequestParser(collected)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    for method, piece in pieces:
        begun = len(collected.reads)
        is_other = method not in PARSED_METHODS and piece.startswith(method + b" ")
        parser.feed_data(PARSED_AS + piece[len(method) :] if is_other else piece)
        for read in collected.reads[begun:]:
            read.method = method.decode()
    return collected.reads[: collected.complete]


def read_by_gunicorn(pieces: list[tuple[bytes, bytes]]) -> list[Read]:
    """The whole requests, as Gunicorn's parser reads them."""
    config = Config()
    config.set("permit_unconventional_http_method", True)
    config.set("header_map", "dangerous")
    reads = []
    parser = RequestParser(config, iter([piece for _, piece in pieces]), ("192.0.2.1", 1))
    try:
        while True:
            parser.mesg = None
            request = next(parser)
            read = Read(request.method, request.uri, request.headers)
            while data := request.body.read(1 << 16):
                read.body += data
            reads.append(read)
    except (StopIteration, NoMoreData):
        return reads


@st.composite
def hostile_streams(draw: st.DrawFn) -> bytes:
    """Two requests of the set after another, with bytes put in, taken out or replaced."""
    data = draw(st.sampled_from(REQUESTS)) + draw(st.sampled_from(REQUESTS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        put = draw(st.one_of(CUTS, st.binary(max_size=2)))
        data = data[:at] + put + data[at + draw(st.integers(0, 2)) :]
    return data


@settings(max_examples=400, deadline=None)
@given(hostile_streams())
@example(b"".join(request for request in REQUESTS[:38] if b"1.0" not in request))
def test_parsers_of_both_servers_read_the_same_requests(data):
    pieces = let_through(data)
    ours, theirs = read_by_httptools(pieces), read_by_gunicorn(pieces)
    # a body of a known length that is not there is no whole request
    whole = min(len(ours), len(theirs))
    assert ours[:whole] == theirs[:whole]
    assert len(theirs) - len(ours) in (0, 1)
