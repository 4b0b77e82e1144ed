"""The package says the truth about what it needs, and keeps out versions with known holes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "custom_model_runner"

#: The first versions without known holes; a floor may rise, never sink.
SAFE = {
    "fastapi": "0.109.1",
    "flask": "3.1.3",
    "gevent": "25.4.1",
    "gunicorn": "27.0.1",
    "h11": "0.16.0",
    "httptools": "0.8",
    "httpx": "0.27",
    "jinja2": "3.1.6",
    "numpy": "1.26",
    "pandas": "2.2",
    "pydantic": "2.9",
    "python-multipart": "0.0.31",
    "starlette": "1.3.1",
    "uvicorn": "0.51",
    "werkzeug": "3.1.9",
}


def requirements() -> dict[str, Requirement]:
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {requirement.name.lower(): requirement for requirement in found}


def pyproject() -> dict:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


@pytest.mark.parametrize("name", SAFE)
def test_floor_keeps_out_versions_with_known_holes(name):
    (bound,) = requirements()[name].specifier
    assert bound.operator == ">="
    assert Version(bound.version) >= Version(SAFE[name])


@pytest.mark.parametrize("name", requirements())
def test_requirement_has_a_floor_and_no_upper_pin(name):
    assert [bound.operator for bound in requirements()[name].specifier] == [">="]


def test_uvicorn_comes_with_its_fast_parts():
    assert requirements()["uvicorn"].extras == {"standard"}


def test_dependencies_are_read_from_the_requirements_file_alone():
    project = pyproject()
    assert "dependencies" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {
        "file": ["requirements.txt"]
    }


def test_package_data_exists():
    for package, names in pyproject()["tool"]["setuptools"]["package-data"].items():
        folder = PROJECT.joinpath(*package.split("."))
        assert [name for name in names if not any(map(Path.is_file, folder.glob(name)))] == []


def test_licence_is_apache_2_in_the_repository_and_in_the_package():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0" in text
    assert (PROJECT / "LICENSE").read_text() == text


def test_root_is_not_an_installable_project():
    assert set(tomllib.loads((ROOT / "pyproject.toml").read_text())) == {"tool"}
