"""Starts the FastAPI server: the Gunicorn arbiter around Uvicorn workers."""

from __future__ import annotations

from collections.abc import Callable

from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.settings import ServeSpec

APP = "datarobot_drum.drum.fastapi.app:create_app()"

#: Starts the arbiter; it is handed in because the packages around fronts are above them.
ExecArbiter = Callable[[ServeSpec, ServerType, str], int]


def main_uvicorn(spec: ServeSpec, exec_arbiter: ExecArbiter) -> int:
    """Replace this process by the arbiter; returns only when that fails."""
    return exec_arbiter(spec, ServerType.FASTAPI, APP)
