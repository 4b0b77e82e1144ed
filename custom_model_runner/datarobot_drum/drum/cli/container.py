"""`--docker`: runs a command inside a container, through the engine's own command line."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from datarobot_drum import __version__
from datarobot_drum.drum.cli.child_process import Interrupted, run_child
from datarobot_drum.drum.cli.container_build import build_image
from datarobot_drum.drum.cli.container_options import Inside, inside
from datarobot_drum.drum.cli.values import PortOfDefault
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.settings import Settings

logger = logging.getLogger("drum.container")

ENGINES = ("docker", "podman")
NO_PORT = "Error: when using the docker option provide argument --address host:port, with a port"
#: Seconds that the engine has to answer a question.
PATIENCE = 300
INTERRUPTED = 130


def run(args: Namespace) -> int:
    """Run the command line in a container; the exit code.

    DrumError tells that there is no engine or no image, or the exit code inside. SIGINT and
    SIGTERM go to the container; after SIGINT the exit code is 0, as scripts expect.
    """
    if args.command == "server" and isinstance(args.address[1], PortOfDefault):
        raise DrumError(NO_PORT)
    settings = Settings.load()
    engine = _engine(settings.container_engine)
    line = inside(args, os.environ, _tls_files(settings))
    image = _image(engine, args)
    _check_version(engine, image)
    command = run_command(engine, image, args.memory, line)
    logger.info("running in a container: %s", " ".join(command))
    try:
        # a validation that fails has results all the same
        with _output_files(line.outputs, keeps_results=args.command == "validation"):
            code = run_child(command, {**os.environ, **line.variables})
            if code:
                raise DrumError(f"Error from docker process: {code}")
    except Interrupted as interrupted:
        ended_well = interrupted.number == signal.SIGINT or interrupted.code == 0
        return 0 if ended_well else INTERRUPTED
    return 0


def _tls_files(settings: Settings) -> list[str]:
    """Files that settings name; the settings themselves are passed on as variables."""
    files = (settings.ssl_certfile, settings.ssl_keyfile, settings.ssl_ca_certs)
    return [path for path in dict.fromkeys(files) if path is not None]


def run_command(engine: str, image: str, memory: str | None, line: Inside) -> list[str]:
    """The engine's command line; variables stand on it by name only."""
    user = f"{os.getuid()}:{os.getgid()}"
    words = [engine, "run", "--rm", "--init", "--entrypoint", "", "--interactive", "--user", user]
    if Path(engine).name == "podman" and os.getuid():
        words.append("--userns=keep-id")
    for mount in line.mounts:
        words += ["-v", mount.option]
    if memory is not None:
        words += ["--memory", memory, "--memory-swap", memory]
    if line.port is not None:
        words += ["-p", line.port]
    for name in line.passed:
        words += ["-e", name]
    return [*words, image, "drum", *line.words]


def _engine(wanted: str | None) -> str:
    for name in ENGINES if wanted is None else (wanted,):
        if path := shutil.which(name):
            return path
    raise DrumError(
        f"--docker: there is no program {wanted or ' or '.join(ENGINES)}; install one, or name it "
        "by DRUM_CONTAINER_ENGINE"
    )


def _image(engine: str, args: Namespace) -> str:
    """The name of the image: one that is there, or one that is built now."""
    if os.path.isdir(args.docker):
        return build_image(engine, args)
    asked = _ask(engine, "image", "inspect", args.docker)
    if asked.returncode == 0:
        return str(args.docker)
    if re.search(r"no such image|not known|no such object", asked.stderr, re.IGNORECASE):
        raise DrumError(
            f"The string '{args.docker}' does not represent a docker image in your registry or a "
            "directory"
        )
    raise DrumError(f"{engine} cannot be used: {asked.stderr.strip() or asked.returncode}")


def _check_version(engine: str, image: str) -> None:
    asked = _ask(engine, "run", "--rm", "--entrypoint", "", image, "sh", "-c", "drum --version")
    found = re.search(r"drum (\S+)", asked.stdout)
    if asked.returncode or found is None:
        logger.error("%s", asked.stderr.strip())
        raise DrumError(f"Unable to determine DRUM version in {image}")
    if found[1] != __version__:
        logger.warning(
            "drum here is version %s, in the image %s it is %s", __version__, image, found[1]
        )


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DrumError(f"{command[0]} did not answer within {PATIENCE} s") from None


@contextmanager
def _output_files(paths: Sequence[Path], *, keeps_results: bool) -> Iterator[None]:
    """Make the files that the container writes to; those that were not there go if it fails.

    A file that does not exist would be mounted as a folder. With `keeps_results` only those go
    that nothing was written to.
    """
    made = [path for path in paths if not path.exists()]
    done = False
    try:
        for path in made:
            path.touch()
        yield
        done = True
    finally:
        for path in [] if done else made:
            if not (keeps_results and path.exists() and path.stat().st_size):
                path.unlink(missing_ok=True)
