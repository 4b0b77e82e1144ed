"""Starts the Gunicorn arbiter in place of this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from datarobot_drum.drum.enum import ServerType
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
    # the arbiter loads its own configuration only
    environ.pop("GUNICORN_CMD_ARGS", None)
    arguments = [sys.executable, "-m", ARBITER, "--config", str(CONFIG_FILE), app]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, arguments, environ)  # noqa: S606  # our own interpreter, no shell
