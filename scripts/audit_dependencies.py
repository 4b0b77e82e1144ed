"""Runs pip-audit over the runtime requirements, and is never green without an answer.

pip-audit takes a package that its service does not know for one without holes. So a version with a
hole that everybody knows is asked for first: unless that is reported, nothing was audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT_PACKAGE = "opendrum"
#: CVE-2025-27516, told by every service since 2025
CANARY = "jinja2==3.1.5"

CLEAN, HOLES, NOT_AUDITED = 0, 1, 2


@dataclass(frozen=True)
class Findings:
    """What the service said: lines that name a hole, and packages that it does not know."""

    holes: list[str]
    unknown: list[str]


def runtime_packages(name: str = ROOT_PACKAGE) -> list[str]:
    """`name==version` of all that this package needs here, itself and its extras left out."""
    seen: set[tuple[str, str]] = {(name, "")}
    waiting = [(name, "")]
    while waiting:
        for found in _needed(*waiting.pop()):
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    names = {found for found, _ in seen} - {name}
    return sorted(f"{found}=={distribution(found).version}" for found in names)


def _needed(name: str, extra: str) -> Iterator[tuple[str, str]]:
    """What that package needs, with that extra or with none: names and their extras."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            for wanted in ("", *requirement.extras):
                yield canonicalize_name(requirement.name), wanted


def ask(packages: Iterable[str], options: list[str]) -> Findings | None:
    """What the service knows about these versions; None when it could not be asked."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(packages) + "\n")
        file.flush()
        program = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", *options]
        what = ["--format", "json", "--no-deps", "--disable-pip", "--requirement", file.name]
        done = subprocess.run([*program, *what], capture_output=True, text=True, check=False)
    try:
        return findings(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError, TypeError):
        print(_last_line(done.stderr), file=sys.stderr)
        return None


def findings(dependencies: list[dict[str, Any]]) -> Findings:
    """What pip-audit's report says."""
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}, fixed in {_versions(hole)}"
        for one in dependencies
        for hole in one.get("vulns", [])
    ]
    return Findings(holes, [one["name"] for one in dependencies if "skip_reason" in one])


def _versions(hole: dict[str, Any]) -> str:
    return ", ".join(hole.get("fix_versions") or ["no release"])


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["pip-audit said nothing"])[-1]


def main(options: list[str]) -> int:
    """0 when every package is known and has no hole, 1 when one has, 2 when nobody answered."""
    canary = ask([CANARY], options)
    if canary is None or not canary.holes:
        print(
            f"audit: the advisory service does not answer; nothing was audited "
            f"({CANARY} has a known hole, which was not told)",
            file=sys.stderr,
        )
        return NOT_AUDITED
    packages = runtime_packages()
    found = ask(packages, options)
    if found is None or found.unknown:
        unknown = "any package" if found is None else ", ".join(found.unknown)
        print(f"audit: the advisory service does not know {unknown}", file=sys.stderr)
        return NOT_AUDITED
    for line in found.holes:
        print(f"audit: {line}")
    print(f"audit: {len(packages)} packages, {len(found.holes)} known holes")
    return HOLES if found.holes else CLEAN


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PackageNotFoundError as error:
        sys.exit(f"audit: {error.name} is not installed; run scripts/install first")
