"""No floor of a requirement and no installed version is below the version that closes a hole."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from scripts.known_holes import HOLES, Hole

PROJECT = Path(__file__).resolve().parents[2] / "custom_model_runner"


def floors() -> dict[str, Version]:
    """The lowest version that the requirements allow, by package."""
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    texts = [line.partition("#")[0].strip() for line in lines]
    requirements = [Requirement(text) for text in texts if text]
    return {canonicalize_name(one.name): _floor(one) for one in requirements}


def _floor(requirement: Requirement) -> Version:
    (floor,) = [part.version for part in requirement.specifier if part.operator in (">=", "==")]
    return Version(floor)


def hole_id(hole: Hole) -> str:
    return f"{hole.package}-{hole.advisory.partition(' ')[0]}-{hole.fixed_in}"


@pytest.mark.parametrize("hole", HOLES, ids=hole_id)
def test_installed_version_has_the_hole_closed(hole):
    assert Version(version(hole.package)) >= Version(hole.fixed_in)


@pytest.mark.parametrize("hole", HOLES, ids=hole_id)
def test_floor_of_the_requirement_has_the_hole_closed(hole):
    assert floors()[hole.package] >= Version(hole.fixed_in)


def test_every_lock_of_a_framework_has_the_holes_closed():
    locks = (PROJECT.parent / "tests" / "frameworks").glob("*.lock")
    pins = chain.from_iterable(
        re.findall(r"^([a-z0-9._-]+)==(\S+)$", lock.read_text(), re.MULTILINE) for lock in locks
    )
    pinned = [(canonicalize_name(name), Version(text)) for name, text in pins]
    assert {name for name, _ in pinned} >= {hole.package for hole in HOLES}
    assert [
        (hole, found)
        for hole in HOLES
        for name, found in pinned
        if name == hole.package and found < Version(hole.fixed_in)
    ] == []


def test_requirements_are_those_of_the_installed_package():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {
        "file": ["requirements.txt"]
    }


def test_table_names_no_advisory_of_a_package_twice():
    told = [(hole.package, hole.advisory) for hole in HOLES if hole.advisory != "none"]
    assert len(set(told)) == len(told)
