"""Certificates made for a test: an authority, a server, clients."""

from __future__ import annotations

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

PASSWORD = "open sesame"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key as files."""

    certificate: str
    key: str


class Authority:
    """A certificate authority with files in a folder of the test."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._ca = trustme.CA()
        self.path = str(folder / f"{name}-ca.pem")
        self._ca.cert_pem.write_to_path(self.path)

    def issue(self, name: str = "server", password: str | None = None) -> Pair:
        """A certificate for the loopback address, its key encrypted with `password`."""
        made = self._ca.issue_cert("127.0.0.1", "localhost")
        place = self._folder / f"{self._name}-{name}"
        pair = Pair(f"{place}.pem", f"{place}.key")
        Path(pair.certificate).write_bytes(b"".join(p.bytes() for p in made.cert_chain_pems))
        key = made.private_key_pem.bytes()
        if password is not None:
            key = load_pem_private_key(key, None).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode())
            )
        Path(pair.key).write_bytes(key)
        return pair

    def client(self, pair: Pair | None = None, **options: ssl.TLSVersion) -> ssl.SSLContext:
        """What a client uses that trusts this authority and shows `pair`."""
        context = ssl.create_default_context(cafile=self.path)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        for name, value in options.items():
            setattr(context, name, value)
        return context


def handshake(port: int, context: ssl.SSLContext, timeout: float = 20) -> ssl.SSLSocket:
    """A connection that has shaken hands; ssl.SSLError or ConnectionError where it was refused.

    TLS 1.3 tells of a refused client certificate only after the handshake, at the first reading.
    """
    plain = socket.create_connection(("127.0.0.1", port), timeout)
    try:
        return context.wrap_socket(plain, server_hostname="127.0.0.1")
    except BaseException:
        plain.close()
        raise


def make_certificate(folder: Path) -> Path:
    """A file with a certificate for `localhost` and its key."""
    path, certificate = folder / "server.pem", folder / "server.crt"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    files = ("-keyout", str(path), "-out", str(certificate))
    command = ["openssl", "req", "-x509", *kind, *files, "-subj", "/CN=localhost"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + certificate.read_text())
    return path


def trusting_context() -> ssl.SSLContext:
    """What a client takes to trust any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
