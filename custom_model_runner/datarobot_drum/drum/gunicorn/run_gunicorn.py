"""Starts the Gunicorn arbiter in place of this process."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.gunicorn.config import SERVER_TYPE_VARIABLE
from datarobot_drum.drum.settings import ServeSpec

APP = "datarobot_drum.drum.gunicorn.app:create_app()"
ARBITER = "datarobot_drum.drum.gunicorn"
CONFIG_FILE = Path(__file__).with_name("gunicorn.conf.py")


def main_gunicorn(spec: ServeSpec) -> int:
    """Replace this process by the arbiter around the Flask app."""
    return exec_arbiter(spec, ServerType.GUNICORN, APP)


def exec_arbiter(spec: ServeSpec, server_type: ServerType, app: str) -> int:
    """Become the arbiter: signals reach it, and a container's first process is the server.

    Never returns; the type is that of a launcher's exit code.
    """
    environ = {**os.environ, **spec.environment(), SERVER_TYPE_VARIABLE: server_type.value}
    _check_address(spec)
    # the arbiter loads its own configuration only
    environ.pop("GUNICORN_CMD_ARGS", None)
    arguments = [sys.executable, "-m", ARBITER, "--config", str(CONFIG_FILE), app]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, arguments, environ)  # noqa: S606  # our own interpreter, no shell


def _check_address(spec: ServeSpec) -> None:
    # Gunicorn would try five times, for five seconds
    family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
    try:
        socket.create_server((spec.host, spec.port), family=family).close()
    except OSError as error:
        raise StartupError(
            f"cannot listen on {spec.host}:{spec.port}; choose another --address ({error})"
        ) from error
