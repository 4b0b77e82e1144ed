"""Environments of the model servers that ours are compared with, each with its own, pinned.

    python bench/peer_environments.py [NAME ...]      make what is missing below bench/.venvs

The `reference` is the package `datarobot-drum`, used as a black box: only its command is started.
A peer that cannot be installed stays out of the comparison, and the reason is told there.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from paths import BENCH

logger = logging.getLogger("bench.peer_environments")

VENVS = BENCH / ".venvs"
INSTALL_SECONDS = 900
#: what is installed; scikit-learn is added in the version that made the pickled model
PEERS: dict[str, tuple[str, ...]] = {
    "reference": ("datarobot-drum==1.18.1",),
    # 1.7.1 does not start its pool of workers with later versions of uvloop
    "mlserver": ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22", "pandas", "joblib"),
    "bentoml": ("bentoml==1.4.39", "pandas"),
    "litserve": ("litserve==0.2.19", "pandas"),
    "mlflow": ("mlflow==3.17.2", "pandas"),
    # no peer, but a program of the benchmark whose dependencies must not be ours
    "locust": ("locust==2.47.0",),
}


class PeerError(Exception):
    """A peer cannot be used; the text is for the document."""


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment."""
    return VENVS / name / "bin" / "python"


def requirements(name: str) -> list[str]:
    """What a peer's environment has."""
    return [*PEERS[name], f"scikit-learn=={importlib.metadata.version('scikit-learn')}"]


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        raise PeerError(" ".join((done.stderr or done.stdout).strip().splitlines()[-3:])[:400])


def _install(name: str) -> None:
    python = python_of(name)
    target, wanted = ["--python", str(python)], requirements(name)
    uv = Path(sys.executable).with_name("uv")
    if uv.is_file():
        try:
            _run([str(uv), "pip", "install", "--quiet", "--compile-bytecode", *target, *wanted])
        except PeerError as error:
            logger.info("uv could not install %s, using pip: %s", name, error)
        else:
            return
    _run([sys.executable, "-m", "pip", *target, "install", "--quiet", *wanted])


def ensure_environment(name: str) -> None:
    """Make a peer's environment unless it is there and current; PeerError when it cannot be."""
    folder = VENVS / name
    mark, wanted = folder / "requirements.txt", "\n".join(requirements(name)) + "\n"
    if mark.is_file() and mark.read_text() == wanted:
        return
    logger.info("making the environment of %s", name)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        _install(name)
    except (subprocess.TimeoutExpired, OSError) as error:
        raise PeerError(f"{type(error).__name__}: {error}") from error
    mark.write_text(wanted)


def installable(names: Iterable[str]) -> dict[str, str]:
    """Make environments; the reason for each peer that cannot be installed."""
    failed = {}
    for name in names:
        try:
            ensure_environment(name)
        except PeerError as error:
            failed[name] = str(error)
            logger.warning("%s cannot be installed: %s", name, error)
    return failed


def main() -> int:
    """Command line; exit code 1 when one could not be made."""
    parser = argparse.ArgumentParser(description="make the environments of the peers")
    parser.add_argument("names", nargs="*", default=list(PEERS), metavar="NAME")
    options = parser.parse_args()
    os.nice(5)
    return 1 if installable(options.names) else 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    sys.exit(main())
