"""TLS contexts from settings: what is offered, and one line for each thing that is wrong."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from pathlib import Path

import pytest
from tests.operations.certificates import PASSWORD, Authority

from datarobot_drum.drum import tls
from datarobot_drum.drum.errors import UsageError
from datarobot_drum.drum.settings import Settings


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"), "own")


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue()


@pytest.fixture(scope="module")
def locked(authority):
    return authority.issue("locked", PASSWORD)


def test_nothing_is_made_without_a_certificate():
    assert tls.server_context(Settings()) is None
    assert tls.blocking_context(Settings()) is None


def test_only_tls_1_2_and_later_with_strong_ciphers_are_offered(pair):
    lines = [line.split() for line in tls.offered(Settings())]
    assert {protocol for protocol, _, _ in lines} == {"TLSv1.2", "TLSv1.3"}
    assert all(int(bits) >= 128 for _, _, bits in lines)
    assert all(name.startswith(("TLS_", "ECDHE-", "DHE-")) for _, name, _ in lines)
    settings = Settings(ssl_certfile=pair.certificate, ssl_keyfile=pair.key)
    context = context_of(settings)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE


def test_offered_ciphers_are_listed_by_a_command(capsys, monkeypatch):
    monkeypatch.setenv("DRUM_SSL_CIPHERS", "ECDHE+AESGCM")
    tls.main()
    lines = capsys.readouterr().out.splitlines()
    assert "TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 128" in lines
    assert not [line for line in lines if "TLSv1.2" in line and "GCM" not in line]


def test_key_may_be_in_the_file_of_the_certificate(pair, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text(Path(pair.certificate).read_text() + Path(pair.key).read_text())
    assert tls.server_context(Settings(ssl_certfile=str(both))) is not None


def test_client_certificates_are_asked_for_as_set(pair, authority):
    for number, mode in enumerate((ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED)):
        settings = Settings(
            ssl_certfile=pair.certificate,
            ssl_keyfile=pair.key,
            ssl_ca_certs=authority.path,
            ssl_cert_reqs=number,
        )
        assert context_of(settings).verify_mode is mode


def test_encrypted_key_is_opened_by_its_password(locked):
    settings = Settings(
        ssl_certfile=locked.certificate, ssl_keyfile=locked.key, ssl_keyfile_password=PASSWORD
    )
    assert tls.server_context(settings) is not None


def context_of(settings: Settings) -> ssl.SSLContext:
    context = tls.blocking_context(settings)
    assert context is not None
    return context


def refusal(**values) -> str:
    with pytest.raises(UsageError) as caught:
        tls.server_context(Settings(**values))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("password", "says"),
    [
        (None, "is encrypted: give its password as DRUM_SSL_KEYFILE_PASSWORD"),
        ("wrong", "DRUM_SSL_KEYFILE_PASSWORD is not the password"),
        ("x" * 5000, "DRUM_SSL_KEYFILE_PASSWORD is not the password"),
    ],
)
def test_encrypted_key_is_refused_without_its_password(locked, password, says):
    text = refusal(
        ssl_certfile=locked.certificate, ssl_keyfile=locked.key, ssl_keyfile_password=password
    )
    assert says in text
    assert password is None or password not in text


def test_files_that_do_not_fit_or_are_none_are_named(pair, authority, tmp_path):
    other, junk = authority.issue("other"), tmp_path / "junk.pem"
    junk.write_text("-----BEGIN CERTIFICATE-----\ncut")
    path = str(junk)
    assert "is not that of the certificate" in refusal(
        ssl_certfile=pair.certificate, ssl_keyfile=other.key
    )
    for certificate, key in ((pair.certificate, None), (path, pair.key), (pair.certificate, path)):
        text = refusal(ssl_certfile=certificate, ssl_keyfile=key)
        assert text.startswith("cannot load the TLS certificate")
    assert "DRUM_SSL_CA_CERTS" in refusal(
        ssl_certfile=pair.certificate, ssl_keyfile=pair.key, ssl_ca_certs=path
    )


def test_file_that_went_away_is_told(pair, tmp_path):
    gone = tmp_path / "gone.pem"
    gone.write_text("x")
    settings = Settings(ssl_certfile=str(gone), ssl_keyfile=pair.key)
    gone.unlink()
    with pytest.raises(UsageError, match="cannot load the TLS certificate .*No such file"):
        tls.server_context(settings)


def test_weak_key_is_refused(tmp_path):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from trustme import CA

    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # it is refused
    strong = x509.load_pem_x509_certificate(CA().cert_pem.bytes())
    weak = (
        x509.CertificateBuilder(subject_name=strong.subject, issuer_name=strong.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(strong.not_valid_before_utc)
        .not_valid_after(strong.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )
    both = tmp_path / "weak.pem"
    both.write_bytes(
        weak.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    assert "too weak: make a new one" in refusal(ssl_certfile=str(both))


@pytest.mark.parametrize(
    ("ciphers", "says"),
    [
        ("RC4", "lists no cipher"),
        ("nonsense", "lists no cipher"),
        ("é", "lists no cipher"),
        ("ALL", "offers the weak cipher"),
        ("AES128-SHA", "offers the weak cipher AES128-SHA"),
        ("ECDHE-RSA-AES128-SHA", "offers the weak cipher ECDHE-RSA-AES128-SHA"),
        ("AES256-GCM-SHA384", "offers the weak cipher AES256-GCM-SHA384"),
        ("eNULL:@SECLEVEL=0", "lowers the security level"),
    ],
)
def test_weak_ciphers_are_refused(pair, ciphers, says):
    text = refusal(ssl_certfile=pair.certificate, ssl_keyfile=pair.key, ssl_ciphers=ciphers)
    assert says in text


def test_obsolete_version_is_warned_of_and_has_no_effect(pair, caplog):
    settings = Settings(ssl_certfile=pair.certificate, ssl_keyfile=pair.key, ssl_version="2")
    tls.check(settings)
    (record,) = caplog.records
    assert "DRUM_SSL_VERSION is obsolete" in record.getMessage()
    tls.check(Settings())
    assert len(caplog.records) == 1


def test_context_of_a_child_is_renewed_unless_the_files_are_broken(pair, monkeypatch, caplog):
    settings = Settings(ssl_certfile=pair.certificate, ssl_keyfile=pair.key)
    broken: list[str] = []

    def make():
        if broken:
            raise UsageError(broken[0])
        return tls.server_context(settings)

    context = tls.RenewedContext(make)
    first = context.get()
    assert context.get() is first
    monkeypatch.setattr(os, "getpid", lambda: -1)
    second = context.get()
    assert second is not first
    broken.append("cut off")
    monkeypatch.setattr(os, "getpid", lambda: -2)
    assert context.get() is second
    assert "stay in use: cut off" in caplog.text


def test_slow_handshake_ends_after_the_deadline(pair):
    settings = Settings(ssl_certfile=pair.certificate, ssl_keyfile=pair.key, header_timeout=0.05)
    ours, theirs = socket.socketpair()
    with ours, pytest.raises(ConnectionResetError, match="too slow"):
        context_of(settings).wrap_socket(theirs, server_side=True)
    theirs.close()


def test_deadline_of_the_handshake_does_not_stay(pair, authority):
    settings = Settings(ssl_certfile=pair.certificate, ssl_keyfile=pair.key)
    ours, theirs = socket.socketpair()
    client = authority.client()
    thread = threading.Thread(
        target=lambda: client.wrap_socket(ours, server_hostname="127.0.0.1").close()
    )
    thread.start()
    with context_of(settings).wrap_socket(theirs, server_side=True) as connection:
        assert connection.gettimeout() is None
        assert connection.version() == "TLSv1.3"
    thread.join()
