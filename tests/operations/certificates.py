"""A self-signed certificate for tests of TLS."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


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
