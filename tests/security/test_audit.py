"""`scripts/audit` is green only when somebody has answered."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from scripts.audit_dependencies import findings, runtime_packages
from tests.stand_ins.osv import advisory_service

AUDIT = Path(__file__).resolve().parents[2] / "scripts" / "audit"
NOTHING = "the advisory service does not answer; nothing was audited"
CANARY = {"jinja2": "3.1.6"}


@pytest.fixture
def audit(tmp_path):
    """Run the command against the service at an address; its exit code and all that it said."""

    def run(address: str) -> tuple[int, str]:
        done = subprocess.run(
            [AUDIT, "-s", "osv", "--osv-url", address, "--cache-dir", tmp_path],
            env={**os.environ, "VENV": sys.prefix, "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("status", [200, 404, 500])
def test_service_that_knows_nothing_is_no_clean_bill(audit, status):
    with advisory_service({}, status) as address:
        code, said = audit(address)
    assert (code, NOTHING in said) == (2, True), said


def test_service_that_cannot_be_reached_is_no_clean_bill(audit, free_port):
    code, said = audit(f"http://127.0.0.1:{free_port}/v1/query")
    assert (code, NOTHING in said) == (2, True), said


def test_service_that_knows_no_hole_of_ours_gives_a_clean_bill(audit):
    with advisory_service(CANARY) as address:
        code, said = audit(address)
    assert (code, f"{len(runtime_packages())} packages, 0 known holes" in said) == (0, True), said


def test_package_that_the_service_does_not_know_is_told():
    # what pip-audit says of a package that PyPI does not have
    said = [{"name": "h11", "skip_reason": "Dependency not found on PyPI"}]
    assert findings(said).unknown == ["h11"]


def test_hole_in_a_package_that_is_installed_is_told(audit):
    with advisory_service({**CANARY, "h11": "99"}) as address:
        code, said = audit(address)
    assert (code, f"h11 {version('h11')}: TEST-h11, fixed in 99" in said) == (1, True), said


def test_every_package_that_an_installation_has_is_asked_for():
    names = {line.partition("==")[0] for line in runtime_packages()}
    # by a requirement, by an extra of one, by a requirement of one
    assert {"h11", "python-multipart", "uvloop", "anyio", "urllib3"} <= names
    assert not {"opendrum", "pytest", "schemathesis"} & names
