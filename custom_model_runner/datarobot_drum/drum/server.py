"""Starts the chosen server type; each front is imported only when it is the one."""

from __future__ import annotations

import importlib
import logging
import os
import tempfile
from typing import Any

from datarobot_drum.drum import tls, watchdog
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.model_folder import extension_names
from datarobot_drum.drum.server_choice import _get_server_type
from datarobot_drum.drum.settings import ServeSpec, Settings

logger = logging.getLogger("drum.server")

#: Where temporary files go when they can go nowhere else; they take memory there.
MEMORY_FOLDER = "/dev/shm"  # noqa: S108  # files in it are made by `tempfile`

#: app factories that users import from here, and the fronts that define them
_FACTORIES = {
    "create_flask_app": "datarobot_drum.drum.flask.app",
    "get_flask_app": "datarobot_drum.drum.flask.app",
    "create_fastapi_app": "datarobot_drum.drum.fastapi.app",
    "get_fastapi_app": "datarobot_drum.drum.fastapi.app",
}


def __getattr__(name: str) -> Any:
    """The app factories of the fronts, imported when they are first asked for."""
    if name not in _FACTORIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_FACTORIES[name]), name)


def run_server(spec: ServeSpec, settings: Settings) -> int:
    """Serve until told to stop; the exit code (the production servers replace this process)."""
    _check(settings)
    server_type = _get_server_type(None, settings, extension_names(spec.model.code_dir))
    logger.info("starting server type %s on %s:%d", server_type.value, spec.host, spec.port)
    _find_temporary_folder()
    _compare_timeouts(settings)
    watchdog.start(spec, settings)
    if server_type is ServerType.FLASK:
        _warn_of_workers(settings)
        from datarobot_drum.drum.flask.run_flask import run

        return run(spec, settings)
    from datarobot_drum.drum.gunicorn import run_gunicorn

    if server_type is ServerType.GUNICORN:
        return run_gunicorn.main_gunicorn(spec)
    from datarobot_drum.drum.fastapi.run_uvicorn import main_uvicorn

    return main_uvicorn(spec, run_gunicorn.exec_arbiter)


def _find_temporary_folder() -> None:
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        # the root file system is read-only and nobody has mounted a folder
        if os.access(MEMORY_FOLDER, os.W_OK | os.X_OK):
            logger.warning("no folder for temporary files is writable; %s is used", MEMORY_FOLDER)
            os.environ["TMPDIR"] = MEMORY_FOLDER


def _compare_timeouts(settings: Settings) -> None:
    asked_for = settings.model_fields_set & {"graceful_timeout", "request_timeout"}
    if asked_for and settings.graceful_timeout < settings.request_timeout:
        logger.warning(
            "a request may run for %g s (DRUM_CLIENT_REQUEST_TIMEOUT), but when the server stops "
            "it is cut after %d s (DRUM_UVICORN_GRACEFUL_TIMEOUT)",
            settings.request_timeout,
            settings.graceful_timeout,
        )


def _check(settings: Settings) -> None:
    """Stop the start, before there is any worker, where a worker could not be built."""
    from datarobot_drum.drum.platform_services.extras import DOCS
    from datarobot_drum.drum.root_predictors import rate_limit

    tls.check(settings)
    rate_limit.check(settings)
    if settings.enable_docs and not DOCS.is_installed:
        raise StartupError(DOCS.advice)


def _warn_of_workers(settings: Settings) -> None:
    if settings.workers > 1:
        logger.warning(
            "the flask server type runs in one process, not in %d workers; choose gunicorn or "
            "fastapi for more",
            settings.workers,
        )
    if settings.max_requests:
        logger.warning(
            "the flask server type is never replaced after %d requests; choose gunicorn or "
            "fastapi for that",
            settings.max_requests,
        )
