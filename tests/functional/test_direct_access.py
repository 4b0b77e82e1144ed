"""Direct access through real servers: large bodies both ways, streams, clients that leave."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import psutil
import pytest
from tests.stand_ins.inference_server import PIECE, InferenceServer, hash_of, large_content

NIM = ("--target-type", "textgeneration", "--gpu-predictor", "nim", "--sidecar")
#: 100 MiB
PIECES = 1600
#: what a server may take more for a body that it only passes on
MORE_MEMORY = 40 * 1024 * 1024


@pytest.fixture(scope="module")
def upstream() -> Iterator[InferenceServer]:
    with InferenceServer() as server:
        yield server


@pytest.fixture
def inference_server(upstream: InferenceServer) -> InferenceServer:
    upstream.reset()
    return upstream


@pytest.fixture(scope="module", params=["flask", "gunicorn", "fastapi"])
def server(request, running_server, upstream, clients_path, tmp_path_factory):
    environment = {**upstream.environment, "PYTHONPATH": clients_path}
    folder = tmp_path_factory.mktemp("model")
    with running_server(folder, *NIM, server_type=request.param, env=environment) as running:
        yield running


def memory_of(server) -> int:
    pid = server.get("/stats/").json()["drum_info"][0]["pid"]
    return psutil.Process(pid).memory_info().rss


@pytest.mark.parametrize("chunked", [True, False])
def test_large_body_goes_through_unchanged_and_is_not_kept(server, chunked):
    assert server.post("/nim/hash", content=b"warm").status_code == 200
    before = memory_of(server)
    headers = {} if chunked else {"Content-Length": str(PIECES * PIECE)}
    reply = server.post("/nim/hash", content=large_content(PIECES), headers=headers)
    assert reply.json() == {"sha256": hash_of(large_content(PIECES))}
    assert memory_of(server) - before < MORE_MEMORY


def test_large_answer_comes_through_unchanged_and_is_not_kept(server):
    assert server.get("/nim/large?pieces=1").status_code == 200
    before = memory_of(server)
    with server.client.stream("GET", f"/nim/large?pieces={PIECES}") as reply:
        assert reply.headers["Content-Length"] == str(PIECES * PIECE)
        assert hash_of(reply.iter_raw()) == hash_of(large_content(PIECES))
    assert memory_of(server) - before < MORE_MEMORY


def test_first_byte_comes_before_the_answer_is_complete(server, inference_server):
    with server.client.stream("GET", "/nim/slow") as reply:
        pieces = reply.iter_raw()
        assert next(pieces) == b"first"
        inference_server.state.go_on.set()
        assert b"".join(pieces) == b"second"


def test_events_of_a_chat_come_one_by_one(server, inference_server):
    body = {"model": "up", "stream": True, "messages": [{"role": "user", "content": "wait"}]}
    with server.client.stream("POST", "/directAccess/v1/chat/completions", json=body) as reply:
        lines = (line for line in reply.iter_lines() if line)
        assert json.loads(next(lines).removeprefix("data: "))["choices"][0]["delta"] == {
            "content": "A"
        }
        inference_server.state.go_on.set()
        assert list(lines)[-1] == "data: [DONE]"


def test_compressed_answer_can_be_read_by_the_client(server):
    assert server.get("/nim/gzip").text == "hello gzip"


def test_answer_that_breaks_off_is_noticed_by_the_client(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /nim/cut HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while piece := connection.recv(PIECE):
            received += piece
    assert b"100" in received
    assert received.endswith(b"too short")


def test_client_that_leaves_ends_the_answer(server, inference_server):
    with server.client.stream("GET", "/nim/slow") as reply:
        assert next(reply.iter_raw()) == b"first"
    if server.get("/info/").json()["drumServer"] == "fastapi":
        assert inference_server.state.left.wait(30)
    else:
        # a WSGI server notices when it sends the next piece
        inference_server.state.go_on.set()
    assert server.get("/nim/echo").status_code == 200


def test_upload_that_breaks_off_reaches_nobody_whole(server, inference_server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = b"POST /nim/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head + b"not all")
        connection.shutdown(socket.SHUT_WR)
        connection.recv(PIECE)
    assert server.get("/nim/echo").status_code == 200
    assert [item for item in inference_server.state.received if len(item.body) == 100] == []
