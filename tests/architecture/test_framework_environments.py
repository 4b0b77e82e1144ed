"""The environments of framework tests: locks that fit, tests that nobody skips unseen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.frameworks.cases import CASES, TEMPLATE_ENVIRONMENTS
from tests.frameworks.environments import ENVIRONMENTS, HERE, Environment

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def requirements(path: Path) -> list[Requirement]:
    """The requirements in a file, without comments and options."""
    lines = (line.partition(" #")[0].strip() for line in path.read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda row: row.name)
def test_lock_has_what_the_environment_and_the_package_need(environment: Environment):
    found = PIN.findall(environment.lock.read_text())
    pins = {str(canonicalize_name(name)): str(pin) for name, pin in found}
    files = [environment.wanted, HERE / "tools.in", ROOT / "custom_model_runner/requirements.txt"]
    wanted = [requirement for path in files for requirement in requirements(path)]
    unmet = [str(r) for r in wanted if not is_met(r, pins)]
    assert unmet == [], f"run scripts/framework_env --lock {environment.name}"


def is_met(requirement: Requirement, pins: dict[str, str]) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    pin = pins.get(canonicalize_name(requirement.name))
    return pin is not None and requirement.specifier.contains(Version(pin), prereleases=True)


def test_cases_and_examples_name_environments_that_exist():
    named = {case.environment for case in CASES} - {None} | set(TEMPLATE_ENVIRONMENTS.values())
    assert named <= {row.name for row in ENVIRONMENTS}


def test_framework_tests_are_an_error_outside_their_environment():
    command = [sys.executable, "-m", "pytest", "-m", "framework", "--collect-only", "-q"]
    paths = ["tests/functional/test_inference_per_framework.py"]
    done = subprocess.run([*command, *paths], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 4
    assert "scripts/test_frameworks" in done.stderr


@pytest.mark.parametrize("arguments", [["no_such"], [], ["--lock"], ["trees", "onnx"]])
def test_environment_script_tells_how_it_is_used(arguments: list[str]):
    script = str(ROOT / "scripts" / "framework_environments.py")
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage: scripts/framework_env NAME" in done.stderr
