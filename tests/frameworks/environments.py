"""The environments that framework tests run in; only the standard library is used here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: a file in an environment that holds its name
STAMP = ".framework-environment"


@dataclass(frozen=True)
class Environment:
    """One virtual environment: `<name>.in` says what it needs, `<name>.lock` pins all of it."""

    name: str
    #: programs of the system it needs, each with the Debian package that has it
    programs: Mapping[str, str] = field(default_factory=dict)
    #: what to do where the package index lacks something
    hint: str = ""

    @property
    def wanted(self) -> Path:
        """The file with the direct requirements."""
        return HERE / f"{self.name}.in"

    @property
    def lock(self) -> Path:
        """The file with every package pinned; its hash names the environment's folder."""
        return HERE / f"{self.name}.lock"


_JDK = "openjdk-17-jdk-headless"

ENVIRONMENTS = (
    Environment("trees"),
    Environment("onnx"),
    Environment(
        "torch",
        hint="set PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS to where PyTorch's CPU builds are",
    ),
    Environment("keras"),
    Environment("java", programs={"java": _JDK, "javac": _JDK}),
    Environment("r", programs={"Rscript": "r-base-core r-recommended"}),
)


def environment_named(name: str) -> Environment:
    """The row of that name; ValueError lists the names there are."""
    for environment in ENVIRONMENTS:
        if environment.name == name:
            return environment
    names = ", ".join(environment.name for environment in ENVIRONMENTS)
    raise ValueError(f"no framework environment {name!r}; there are {names}")


def running_environment() -> str | None:
    """The name of the environment of this interpreter; None in any other."""
    stamp = Path(sys.prefix, STAMP)
    return stamp.read_text().split()[0] if stamp.exists() else None
