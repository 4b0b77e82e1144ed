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
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.operations.certificates import PASSWORD, Authority, Pair, handshake

LINEAR = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
V1_0, V1_1 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

#: the alert of the server, or the end of the connection where uvloop is faster than the alert
REFUSED = "ALERT_PROTOCOL_VERSION|ALERT_HANDSHAKE_FAILURE|UNEXPECTED_EOF|reset by peer"

#: servers by their type and, for Gunicorn, the class of its workers
SERVERS = ("flask", "gunicorn", "gunicorn sync", "gunicorn gevent", "fastapi")


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
    """A server that wants certificates of its clients."""
    with tls_server(
        running_server,
        request.param,
        authority.issue(),
        authority,
        DRUM_SSL_CERT_REQS="2",
        DRUM_SSL_CA_CERTS=authority.path,
    ) as started:
        yield started


def test_required_client_certificate_lets_its_owner_in_only(closed_server, authority, foreign):
    port, stranger = closed_server.port, authority.client(foreign.issue("client"))
    assert answer_to_livez(port, authority.client(authority.issue("client"))).startswith(
        b"HTTP/1.1 200"
    )
    for context in (authority.client(), stranger):
        for version in (V1_2, V1_3):
            context.maximum_version = version
            assert answer_to_livez(port, context) == b""


@pytest.mark.parametrize("closed_server", ["gunicorn", "fastapi"], indirect=True)
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
