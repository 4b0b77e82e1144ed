"""The clients of the soak against a server of sockets that answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random

import pytest

from soak_client import Answer, Fault
from soak_traffic import KINDS, Client, Traffic, csv, head, multipart, post

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_answer_in_pieces_is_whole_at_its_end():
    answer = Answer()
    for byte in OK:
        assert not answer.complete
        answer.feed(bytes([byte]))
    assert (answer.complete, answer.status, bytes(answer.body)) == (True, 200, b"ok")


@pytest.mark.parametrize("cut", [1, 20, len(OK) - 1])
def test_answer_that_is_cut_off_is_a_fault(cut):
    answer = Answer()
    answer.feed(OK[:cut])
    with pytest.raises(Fault, match="ended within an answer"):
        answer.feed(b"")


def test_answer_without_a_length_ends_with_its_connection():
    answer = Answer()
    answer.feed(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall")
    answer.feed(b"")
    assert (answer.complete, answer.keeps_alive, bytes(answer.body)) == (True, False, b"all")


def test_length_of_a_request_is_that_of_its_body():
    assert post("/predict/", "text/csv", b"a\n1\n").endswith(b"Content-Length: 4\r\n\r\na\n1\n")
    assert head("/livez").startswith(b"GET /livez HTTP/1.1\r\n")
    begin, _, body = multipart(csv(2)).partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in begin


def exchange(kind: str, reply: bytes) -> tuple[Traffic, str]:
    """What a client makes of a reply; the connection is closed after it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            await reader.read(65536)
            writer.write(reply)
            await writer.drain()

    async def run() -> Traffic:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        traffic = Traffic(server.sockets[0].getsockname()[1], seed=1)
        async with server:
            await Client(traffic, random.Random(1), [kind])._one(kind)
        return traffic

    traffic = asyncio.run(run())
    return traffic, "".join(traffic.tally.faults)


def predictions(values: list[float]) -> bytes:
    extra = {"columns": ["worker"], "index": [0], "data": [[17]]}
    body = json.dumps({"predictions": values, "extraModelOutput": extra}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_right_prediction_counts_for_its_worker():
    traffic, faults = exchange("1 row", predictions([0.0]))
    assert (faults, dict(traffic.tally.by_worker)) == ("", {17: 1})
    assert traffic.tally.requests == 1


@pytest.mark.parametrize(
    ("kind", "reply", "said"),
    [
        ("1 row", predictions([1.0]), "wrong predictions"),
        ("1 row", predictions([0.0, 2.0]), "wrong predictions"),
        ("1 row", OK.replace(b"200", b"503"), "status 503"),
        ("1 row", b"", "ended within an answer"),
        ("1 row", b"no HTTP at all\r\n\r\n", "HttpParserError"),
        ("bad: no body", OK, "status 200"),
        ("bad: no HTTP", OK, "answered"),
        ("probe /readyz", OK.replace(b"200", b"503"), "status 503"),
        ("stream", OK, "stream"),
    ],
)
def test_wrong_or_lost_answer_is_a_fault(kind, reply, said):
    traffic, faults = exchange(kind, reply)
    assert said in faults
    assert traffic.tally.fault_count == 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("leaves")])
def test_request_that_its_client_leaves_is_no_fault(kind):
    traffic, faults = exchange(kind, OK)
    assert (faults, dict(traffic.tally.left)) == ("", {kind: 1})
