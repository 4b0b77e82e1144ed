"""TLS of real servers: what is accepted, what is refused, and who waits for whom.

Row 15 of the conformance table: TLS: good, missing file, wrong password, client certificate.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.operations.certificates import PASSWORD, Authority, Pair, handshake
from tests.operations.fronts import is_alive, wait_for, workers_of

LINEAR = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
V1_0, V1_1 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

#: the alert of the server, or the end of the connection where uvloop is faster than the alert
REFUSED = "ALERT_PROTOCOL_VERSION|ALERT_HANDSHAKE_FAILURE|UNEXPECTED_EOF|reset by peer"

CIPHER = "ECDHE-ECDSA-AES256-GCM-SHA384"

#: servers by their type and, for Gunicorn, the class of its workers
PRODUCTION = ("gunicorn", "gunicorn sync", "gunicorn gevent", "fastapi")
SERVERS = ("flask", *PRODUCTION)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"), "own")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("foreign"), "foreign")


def tls_environment(kind: str, pair: Pair, **more: str) -> dict[str, str]:
    worker_class = kind.partition(" ")[2]
    chosen = {"DRUM_GUNICORN_WORKER_CLASS": worker_class} if worker_class else {}
    files = {"DRUM_SSL_CERTFILE": pair.certificate, "DRUM_SSL_KEYFILE": pair.key}
    return {**files, "DRUM_UVICORN_HEADER_TIMEOUT": "2", **chosen, **more}


@contextlib.contextmanager
def tls_server(running_server, kind, pair, authority, **more) -> Iterator:
    with running_server(
        LINEAR,
        "--target-type",
        "regression",
        env=tls_environment(kind, pair, **more),
        server_type=kind.partition(" ")[0],
        wait=False,
    ) as server:
        end = time.monotonic() + 60
        while b" 200 " not in answer_to_livez(server.port, authority.client(pair)):
            assert server.process.poll() is None, server.log
            assert time.monotonic() < end, server.log
            time.sleep(0.1)
        yield server


def answer_to_livez(port: int, context: ssl.SSLContext, timeout: float = 20) -> bytes:
    """What the server says on one connection; nothing where it is refused or not there yet."""
    answer = b""
    with contextlib.suppress(OSError), handshake(port, context, timeout) as connection:
        connection.sendall(REQUEST)
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.fixture(scope="module", params=SERVERS)
def server(request, running_server, authority):
    pair = authority.issue("encrypted", PASSWORD)
    with tls_server(
        running_server,
        request.param,
        pair,
        _Password(authority),
        DRUM_SSL_KEYFILE_PASSWORD=PASSWORD,
    ) as started:
        yield started


class _Password:
    """Clients of an authority that show no certificate, whatever the server's pair is."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def client(self, pair: Pair) -> ssl.SSLContext:
        return self._authority.client()


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_current_versions_of_tls_are_spoken(server, authority, version):
    context = authority.client(minimum_version=version, maximum_version=version)
    with handshake(server.port, context) as connection:
        assert connection.version() == {V1_2: "TLSv1.2", V1_3: "TLSv1.3"}[version]
    assert b"nosniff" in answer_to_livez(server.port, context)


@pytest.mark.parametrize("version", [V1_0, V1_1])
def test_old_versions_of_tls_are_refused(server, authority, version):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = authority.client(minimum_version=version, maximum_version=version)
    # the client itself must be able to
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError, match=REFUSED):
        handshake(server.port, context)
    assert answer_to_livez(server.port, authority.client()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "aNULL", "AES256-GCM-SHA384", "eNULL"])
def test_weak_ciphers_are_refused(server, authority, ciphers):
    context = authority.client(maximum_version=V1_2)
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with pytest.raises(OSError, match=REFUSED):
        handshake(server.port, context)


def test_plain_http_is_refused_at_once_and_the_server_lives_on(server, authority):
    started = time.monotonic()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
            connection.sendall(REQUEST)
            with contextlib.suppress(ConnectionResetError):
                assert b" 200 " not in connection.recv(65536)
    assert time.monotonic() - started < 5
    assert answer_to_livez(server.port, authority.client()).startswith(b"HTTP/1.1 200")
    assert "Traceback" not in server.log


def test_slow_handshakes_do_not_keep_others_waiting(server, authority):
    # a sync worker has one client at a time: it gets rid of the slow one after the deadline
    silent = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(3)]
    try:
        for connection in silent:
            # the first bytes of a client's greeting, which promise more
            connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert answer_to_livez(server.port, authority.client()).startswith(b"HTTP/1.1 200")
    finally:
        for connection in silent:
            connection.close()
    assert "Traceback" not in server.log


def test_password_of_the_key_is_neither_logged_nor_on_a_command_line(server):
    assert PASSWORD not in server.log
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert PASSWORD.encode() not in path.read_bytes()


@pytest.fixture(scope="module", params=SERVERS)
def closed_server(request, running_server, authority):
    """A server that wants certificates of its clients, and of TLS 1.2 one cipher only."""
    with tls_server(
        running_server,
        request.param,
        authority.issue(),
        authority,
        DRUM_SSL_CERT_REQS="2",
        DRUM_SSL_CA_CERTS=authority.path,
        DRUM_SSL_CIPHERS=CIPHER,
        DRUM_UVICORN_HEADER_TIMEOUT="30",
    ) as started:
        yield started


def test_ciphers_are_those_of_the_operator(closed_server, authority):
    client = authority.client(authority.issue("client"), maximum_version=V1_2)
    with handshake(closed_server.port, client) as connection:
        assert CIPHER in (connection.cipher() or ())
    client.set_ciphers("ECDHE+AESGCM:!AES256")
    with pytest.raises(OSError, match=REFUSED):
        handshake(closed_server.port, client)


def test_required_client_certificate_lets_its_owner_in_only(closed_server, authority, foreign):
    port, stranger = closed_server.port, authority.client(foreign.issue("client"))
    assert answer_to_livez(port, authority.client(authority.issue("client"))).startswith(
        b"HTTP/1.1 200"
    )
    for context in (authority.client(), stranger):
        for version in (V1_2, V1_3):
            context.maximum_version = version
            assert answer_to_livez(port, context) == b""


# a sync worker has one connection at a time
@pytest.mark.parametrize("closed_server", [*PRODUCTION[:1], *PRODUCTION[2:]], indirect=True)
def test_connection_in_its_handshake_survives_a_reload(closed_server, authority):
    client = authority.client(authority.issue("client"))
    with SlowHandshake(closed_server.port, client) as slow:
        # the worker accepts one after the other
        (worker,) = workers_of(closed_server)
        assert answer_to_livez(closed_server.port, client).startswith(b"HTTP/1.1 200")
        closed_server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not is_listening(worker), "the old worker stops to listen")
        assert is_alive(worker)
        assert slow.finish().startswith(b"HTTP/1.1 200")
    wait_for(lambda: not is_alive(worker), "the end of the old worker")
    assert "Traceback" not in closed_server.log


def is_listening(worker: int) -> bool:
    """Has that process a listening socket?"""
    with contextlib.suppress(psutil.NoSuchProcess):
        connections = psutil.Process(worker).net_connections("tcp")
        return any(one.status == psutil.CONN_LISTEN for one in connections)
    return False


class SlowHandshake:
    """A connection of which the first bytes of the client's greeting have been sent."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 20)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        greeting = self._outgoing.read()
        self._socket.sendall(greeting[:10])
        self._rest = greeting[10:]

    def __enter__(self) -> SlowHandshake:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def finish(self) -> bytes:
        """Send the rest and a request; the beginning of the answer, empty if there is none."""
        self._socket.sendall(self._rest)
        with contextlib.suppress(OSError):
            self._until_done(self._tls.do_handshake)
            self._tls.write(REQUEST)
            return bytes(self._until_done(lambda: self._tls.read(100)))
        return b""

    def _until_done(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._socket.sendall(self._outgoing.read())
                data = self._socket.recv(65536)
                if not data:
                    raise ConnectionError("closed") from None
                self._incoming.write(data)
            finally:
                self._socket.sendall(self._outgoing.read())


@pytest.mark.parametrize("closed_server", PRODUCTION, indirect=True)
def test_certificate_that_was_renewed_is_taken_up_by_a_reload(closed_server, authority):
    client = authority.client(authority.issue("client"))
    before = serial_number(closed_server.port, client)
    renewed = authority.issue()
    closed_server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 60
    while serial_number(closed_server.port, client) == before:
        assert time.monotonic() < end, closed_server.log
        time.sleep(0.1)
    Path(renewed.certificate).write_text("cut off half way")
    closed_server.process.send_signal(signal.SIGHUP)
    while "the TLS files of the last start stay in use" not in closed_server.log:
        answer_to_livez(closed_server.port, client)
        assert time.monotonic() < end, closed_server.log
        time.sleep(0.1)
    assert answer_to_livez(closed_server.port, client).startswith(b"HTTP/1.1 200")


def serial_number(port: int, context: ssl.SSLContext) -> object:
    with contextlib.suppress(OSError), handshake(port, context) as connection:
        return (connection.getpeercert() or {}).get("serialNumber")
    return None


def test_optional_client_certificate_is_checked_when_it_is_sent(running_server, authority, foreign):
    pair = authority.issue("optional")
    optional = {"DRUM_SSL_CERT_REQS": "1", "DRUM_SSL_CA_CERTS": authority.path}
    with tls_server(running_server, "fastapi", pair, authority, **optional) as server:
        for shown in (None, authority.issue("client")):
            assert b" 200 " in answer_to_livez(server.port, authority.client(shown))
        assert answer_to_livez(server.port, authority.client(foreign.issue("client"))) == b""


# before any worker, whatever the class of the workers would have been
@pytest.mark.parametrize("server_type", ["flask", "gunicorn", "fastapi"])
def test_files_that_cannot_be_used_end_the_start(run_drum, authority, server_type):
    pair = authority.issue("locked", PASSWORD)
    for settings, says in (
        ({"DRUM_SSL_KEYFILE_PASSWORD": "wrong"}, "is not the password"),
        ({"DRUM_SSL_KEYFILE_PASSWORD": ""}, "is encrypted: give its"),
        ({"DRUM_SSL_CERTFILE": "/nowhere/at-all.pem"}, "/nowhere/at-all.pem"),
    ):
        done = run_drum(
            *("server", "--code-dir", str(LINEAR), "--target-type", "regression"),
            *("--server-type", server_type, "--address", "127.0.0.1:1"),
            env=tls_environment(server_type, pair, **settings),
            timeout=60,
        )
        assert done.returncode == 2
        assert says in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
