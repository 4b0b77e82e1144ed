"""The platform's API through its own client: set up for model code, or for a command."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.platform_services.extras import DATAROBOT

logger = logging.getLogger("drum.platform")

API_PATH = "/api/v2"
CONNECT_TIMEOUT = 10
RETRIES = 2
UNAUTHORIZED = 401


def connect(webserver: str | None, token: str | None) -> None:
    """Make the platform's global client, which also asks the platform for its version.

    StartupError when that fails; the token is in no message.
    """
    if not webserver or not token:
        raise StartupError(
            "access to the platform's API needs its address and a token; set "
            "EXTERNAL_WEB_SERVER_URL and API_TOKEN"
        )
    url = endpoint(webserver)
    open_client(endpoint=url, token=token)
    logger.info("model code may call the platform's API at %s", url)


def endpoint(webserver: str) -> str:
    """The address of the API: the platform's with its path, once."""
    url = webserver.rstrip("/")
    return url if url.endswith(API_PATH) else url + API_PATH


def open_client(**place: str) -> tuple[ModuleType, Any]:
    """The library, and its connection to `place`, or to where its own configuration says."""
    library = DATAROBOT.load()
    with told_errors(place.get("token")), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a newer or older platform
        connection = library.Client(**place, connect_timeout=CONNECT_TIMEOUT, max_retries=RETRIES)
    return library, connection


@contextmanager
def told_errors(
    token: str | None, failure: str = "the platform's API cannot be used"
) -> Iterator[None]:
    """Any error of the library becomes a StartupError, without the token that it may show."""
    try:
        yield
    except Exception as error:
        text = str(error)
        if getattr(error, "status_code", None) == UNAUTHORIZED:
            text = "the token was refused"
        if token:
            text = text.replace(token, "*****")
        raise StartupError(f"{failure}: {text}; check the address and the token") from None
