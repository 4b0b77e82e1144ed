"""What `sslscan` finds at the production servers: no old protocol, weak cipher or known hole."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.conftest import ServerContext
from tests.operations.certificates import Authority
from tests.operations.fronts import PRODUCTION, serving, wait_for
from tests.operations.test_tls import answer_to_livez

pytestmark = pytest.mark.tools

MODEL = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
FRONTS = [front for front in PRODUCTION if front.name in ("gunicorn", "fastapi")]


@pytest.fixture(scope="module", params=FRONTS, ids=str)
def scan(
    request: pytest.FixtureRequest,
    running_server: ServerContext,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ElementTree.Element]:
    """The report on a server with TLS as it is by default."""
    authority = Authority(tmp_path_factory.mktemp("certificates"), "scan")
    pair = authority.issue()
    env = {"DRUM_SSL_CERTFILE": pair.certificate, "DRUM_SSL_KEYFILE": pair.key}
    with serving(running_server, request.param, MODEL, env=env, wait=False) as server:
        wait_for(lambda: is_alive(server.port, authority.client()), "the server")
        command = ["sslscan", "--xml=-", "--show-times", f"127.0.0.1:{server.port}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    (test,) = ElementTree.fromstring(done.stdout).iter("ssltest")  # noqa: S314  # sslscan's own
    yield test


def is_alive(port: int, context: ssl.SSLContext) -> bool:
    try:
        return b" 200 " in answer_to_livez(port, context)
    except OSError:
        return False


def values(scan: ElementTree.Element, tag: str, name: str) -> list[str]:
    """An attribute of all elements of that kind."""
    return [element.attrib[name] for element in scan.iter(tag)]


def test_only_tls_1_2_and_1_3_are_spoken(scan):
    spoken = [
        f"{one.attrib['type']} {one.attrib['version']}"
        for one in scan.iter("protocol")
        if one.attrib["enabled"] == "1"
    ]
    assert sorted(spoken) == ["tls 1.2", "tls 1.3"]


def test_every_cipher_is_strong_and_forward_secret(scan):
    assert set(values(scan, "cipher", "strength")) <= {"strong", "acceptable"}
    assert min(map(int, values(scan, "cipher", "bits"))) >= 128
    names = values(scan, "cipher", "cipher")
    assert names != []
    assert [name for name in names if not name.startswith(("ECDHE-", "DHE-", "TLS_"))] == []
    assert [name for name in names if "CBC" in name or "SHA" in name.split("-")] == []


def test_no_compression_no_renegotiation_and_no_heartbleed(scan):
    assert set(values(scan, "compression", "supported")) <= {"0"}
    assert set(values(scan, "renegotiation", "secure")) <= {"1"} or (
        set(values(scan, "renegotiation", "supported")) <= {"0"}
    )
    assert set(values(scan, "heartbleed", "vulnerable")) == {"0"}
