"""Which server type answers: what was asked for, corrected by the extensions in the folder."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from datarobot_drum.drum.enum import (
    DEFAULT_SERVER_TYPE,
    DRUM_IGNORE_SERVER_EXTENSIONS,
    FASTAPI_EXT_FILE_NAME,
    FLASK_EXT_FILE_NAME,
    ServerType,
)
from datarobot_drum.drum.errors import StartupError, UsageError

if TYPE_CHECKING:
    from datarobot_drum.drum.settings import Settings

logger = logging.getLogger("drum.server")


def _get_server_type(
    option: str | None, settings: Settings, extension_names: Collection[str]
) -> ServerType:
    """The server type to start; `extension_names` are stems such as `custom_flask`.

    A folder that extends Flask only is served by Flask, with a warning, unless Gunicorn was
    asked for. A folder that extends FastAPI only is served by FastAPI when nothing was chosen,
    and raises StartupError when another type was: its hooks, authentication perhaps, would be
    missing. UsageError when `option` names no server type.
    """
    chosen = settings.server_type if option is None else _parse(option)
    if settings.ignore_server_extensions:
        return chosen or DEFAULT_SERVER_TYPE
    extends_flask = FLASK_EXT_FILE_NAME in extension_names
    extends_fastapi = FASTAPI_EXT_FILE_NAME in extension_names
    if extends_flask and not extends_fastapi and chosen in (None, ServerType.FASTAPI):
        _warn_of_flask(chosen)
        return ServerType.FLASK
    if extends_fastapi and not extends_flask:
        return _fastapi_only(chosen)
    return chosen or DEFAULT_SERVER_TYPE


def _parse(option: str) -> ServerType:
    try:
        return ServerType.parse(option)
    except ValueError as error:
        raise UsageError(f"--server-type: {error}") from None


def _warn_of_flask(chosen: ServerType | None) -> None:
    asked = "no server type was chosen" if chosen is None else f"{chosen.value} was chosen"
    logger.warning(
        "%s, but the model folder has %s.py and no %s.py: it is served by flask; to serve it by "
        "%s, write its init_app(app) for a FastAPI app in %s.py",
        asked,
        FLASK_EXT_FILE_NAME,
        FASTAPI_EXT_FILE_NAME,
        ServerType.FASTAPI.value,
        FASTAPI_EXT_FILE_NAME,
    )


def _fastapi_only(chosen: ServerType | None) -> ServerType:
    if chosen in (None, ServerType.FASTAPI):
        return ServerType.FASTAPI
    raise StartupError(
        f"the model folder has {FASTAPI_EXT_FILE_NAME}.py, which server type {chosen.value} does "
        f"not load, so its hooks would be missing; choose server type {ServerType.FASTAPI.value}, "
        f"add {FLASK_EXT_FILE_NAME}.py, or set {DRUM_IGNORE_SERVER_EXTENSIONS}=true"
    )
