"""The deadlines of slow clients hold with TLS, before and after the handshake.

Row 6 of the conformance table, with TLS.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import RunningServer, ServerContext
from tests.operations.certificates import make_certificate, trusting_context
from tests.operations.http_requests import BODY, HOST, get, post
from tests.operations.raw_http import RawConnection, status_of

MODEL = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
#: The event loop of the FastAPI server makes TLS unseen by us, and gives a handshake 60 s.
KINDS = ("gevent", "gthread", "sync")
SECONDS = 0.5


class TlsConnection(RawConnection):
    """A connection whose handshake is done."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.socket = trusting_context().wrap_socket(self.socket)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key, in one file."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each worker class of Gunicorn."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(running_server: ServerContext, certificate: Path, kind: str) -> Iterator[RunningServer]:
    """A running server of that kind that speaks TLS."""
    env = {"DRUM_UVICORN_HEADER_TIMEOUT": str(SECONDS), "DRUM_SSL_CERTFILE": str(certificate)}
    env["DRUM_GUNICORN_WORKER_CLASS"] = kind
    arguments = (MODEL, "--target-type", "regression")
    with running_server(*arguments, server_type="gunicorn", env=env, wait=False) as running:
        wait_until_ready(running)
        yield running


def wait_until_ready(server: RunningServer) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), TlsConnection(server.port) as connection:
            connection.send(get(HOST, target=b"/health/"))
            if connection.read_answer()[0] == 200:
                return
        assert (server.process.poll(), time.monotonic() < deadline) == (None, True), server.log
        time.sleep(0.1)


def test_requests_are_answered_one_after_another(server, kind):
    predict = post(b"Content-Length: 8", body=BODY)
    with TlsConnection(server.port) as connection:
        for _ in range(1 if kind == "sync" else 3):
            connection.send(predict)
            assert connection.read_answer()[0] == 200


def test_requests_in_one_record_are_all_answered(server, kind):
    if kind == "sync":
        pytest.skip("a sync worker answers one request a connection")
    with TlsConnection(server.port) as connection:
        connection.send(get(HOST) * 3)
        assert [connection.read_answer()[0] for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("start", [b"", get(HOST)[:-2]], ids=["silent", "head"])
def test_slow_client_gets_408_after_the_handshake(server, start):
    with TlsConnection(server.port) as connection:
        connection.send(start)
        assert status_of(connection.read_until_closed()) == 408


def test_client_that_makes_no_handshake_is_cut(server):
    with RawConnection(server.port) as connection:
        assert connection.read_until_closed() == b""
    with TlsConnection(server.port) as connection:
        connection.send(get(HOST))
        assert connection.read_answer()[0] == 200


def test_client_that_begins_a_handshake_only_is_cut(server):
    with RawConnection(server.port) as connection:
        connection.send(b"\x16\x03\x01\x02\x00\x01")
        connection.read_until_closed()


def test_malformed_request_is_refused(server):
    with TlsConnection(server.port) as connection:
        connection.send(get(b"X-No-Host: 1"))
        assert status_of(connection.read_until_closed()) == 400
