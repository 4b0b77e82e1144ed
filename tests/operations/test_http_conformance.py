"""HTTP/1.1 by its rules: every server gives the same right answer, and goes on serving."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.conftest import RunningServer, ServerContext
from tests.operations.http_requests import BODY, CASES, HOST, VALID, Case, get, post
from tests.operations.raw_http import RawConnection, exchange, status_of

MODEL = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
SERVERS = ("fastapi", "gthread", "sync", "gevent")
KEEPING = ("fastapi", "gthread", "gevent")
LAST = get(HOST, b"Connection: close")

Ports = Mapping[str, int]


def server_options(name: str) -> dict[str, object]:
    """How to start the FastAPI server, or Gunicorn with that worker class."""
    if name == "fastapi":
        return {"server_type": name}
    return {"server_type": "gunicorn", "env": {"DRUM_GUNICORN_WORKER_CLASS": name}}


@pytest.fixture(scope="module")
def servers(running_server: ServerContext) -> Iterator[dict[str, RunningServer]]:
    """One running server of each kind."""
    with ExitStack() as stack:
        found = {}
        for name in SERVERS:
            place = running_server(
                MODEL, "--target-type", "regression", wait=False, **server_options(name)
            )
            found[name] = stack.enter_context(place)
        for server in found.values():
            server.wait_until_ready()
        yield found


@pytest.fixture
def ports(servers: dict[str, RunningServer]) -> Ports:
    """The port of each server."""
    return {name: server.port for name, server in servers.items()}


def answer_until_closed(port: int, case: Case) -> bytes:
    """All that a server sends before it closes the connection."""
    with RawConnection(port) as connection:
        connection.send(case.request)
        if case.half_closes:
            connection.socket.shutdown(socket.SHUT_WR)
        return connection.read_until_closed()


def facts(answer: bytes) -> tuple[int, str, frozenset[str]]:
    """Status, message and the names of the headers that tell of a refusal."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.decode("latin-1").split("\r\n")[1:]]
    told = {line.partition(":")[0] for line in lines if line.startswith("x-")}
    told |= {line for line in lines if line.startswith(("connection", "content-type"))}
    return status_of(answer), json.loads(body)["message"], frozenset(told)


def ids(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", [case for case in CASES if case.is_refused], ids=ids)
def test_malformed_request_is_refused_alike(ports, case):
    answers = {name: facts(answer_until_closed(port, case)) for name, port in ports.items()}
    (answer,) = set(answers.values())
    status, message, headers = answer
    assert (status, message.startswith("ERROR: ")) == (case.status, True)
    assert {"connection: close", "content-type: application/json", "x-request-id"} <= headers
    assert {name: status_of(exchange(port, LAST)) for name, port in ports.items()} == dict.fromkeys(
        SERVERS, 200
    )


@pytest.mark.parametrize("case", [case for case in VALID if not case.closes], ids=ids)
@pytest.mark.parametrize("server", KEEPING)
def test_connection_is_kept_after_a_valid_request(ports, server, case):
    with RawConnection(ports[server]) as connection:
        connection.send(case.request)
        if case.request.startswith(b"HEAD"):
            status = connection.read_head()[0]
        else:
            status = connection.read_answer()[0]
        connection.send(LAST)
        assert (status, status_of(connection.read_until_closed())) == (case.status, 200)


@pytest.mark.parametrize("case", VALID, ids=ids)
def test_sync_worker_answers_a_valid_request_and_closes(ports, case):
    assert status_of(exchange(ports["sync"], case.request)) == case.status


@pytest.mark.parametrize("case", [case for case in VALID if case.closes], ids=ids)
@pytest.mark.parametrize("server", KEEPING)
def test_connection_is_closed_when_the_client_wants_that(ports, server, case):
    assert status_of(exchange(ports[server], case.request)) == case.status


@pytest.mark.parametrize("server", KEEPING)
def test_requests_in_one_packet_are_answered_in_their_order(ports, server):
    bad = get(b"X-No-Host: 1")
    predict = post(b"Content-Length: 8", body=BODY)
    answer = exchange(ports[server], get(HOST) + predict + get(HOST, target=b"/no") + bad + LAST)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 200, 404, 400]


@pytest.mark.parametrize("server", KEEPING)
def test_request_may_come_byte_by_byte(ports, server):
    request = post(
        b"Transfer-Encoding: chunked", body=b"8;a=b\r\n" + BODY + b"\r\n0\r\nX: 1\r\n\r\n"
    )
    with RawConnection(ports[server]) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(request)):
            connection.send(request[at : at + 1])
        status, _, body = connection.read_answer()
    assert (status, json.loads(body)) == (200, {"predictions": [22.0]})


@pytest.mark.parametrize("server", KEEPING)
def test_bodies_may_come_after_their_heads_on_a_connection_that_is_kept(ports, server):
    with RawConnection(ports[server]) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(20):
            connection.send(post(b"Content-Length: 8"))
            # long enough for the server to see the head alone
            time.sleep(0.002)
            connection.send(BODY)
            assert connection.read_answer()[0] == 200


@pytest.mark.parametrize("server", SERVERS)
def test_client_that_waits_for_it_is_told_to_continue(ports, server):
    with RawConnection(ports[server]) as connection:
        connection.send(post(b"Expect: 100-continue", b"Content-Length: 8"))
        assert connection.read_head()[0] == 100
        connection.send(BODY)
        assert connection.read_answer()[0] == 200


@pytest.mark.parametrize("server", SERVERS)
def test_host_of_an_absolute_target_and_trailers_do_not_reach_the_app_as_sent(ports, server):
    body = b"8\r\n" + BODY + b"\r\n0\r\nX-Request-ID: from-a-trailer\r\n\r\n"
    with RawConnection(ports[server]) as connection:
        connection.send(post(b"Transfer-Encoding: chunked", body=body))
        _, headers, _ = connection.read_answer()
    assert headers["x-request-id"] != "from-a-trailer"


@pytest.mark.parametrize("server", SERVERS)
def test_answer_to_a_refused_request_is_not_lost_while_the_client_still_sends(ports, server):
    with RawConnection(ports[server]) as connection:
        connection.send(get(b"X-No-Host: 1") + b"x" * 60_000)
        assert status_of(connection.read_until_closed()) == 400


def test_the_set_has_enough_requests_and_no_name_twice():
    names = [case.name for case in CASES]
    assert (len(names) >= 60, len(set(names))) == (True, len(names))
