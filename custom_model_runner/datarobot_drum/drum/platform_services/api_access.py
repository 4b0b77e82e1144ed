"""Lets model code call the platform's API: sets up the platform's client before hooks run."""

from __future__ import annotations

import logging
import warnings

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.platform_services.extras import DATAROBOT

logger = logging.getLogger("drum.platform")

API_PATH = "/api/v2"
CONNECT_TIMEOUT = 10


def connect(webserver: str | None, token: str | None) -> None:
    """Make the platform's global client, which also asks the platform for its version.

    StartupError when that fails; the token is in no message.
    """
    if not webserver or not token:
        raise StartupError(
            "access to the platform's API needs its address and a token; set "
            "EXTERNAL_WEB_SERVER_URL and API_TOKEN"
        )
    client = DATAROBOT.load()
    url = endpoint(webserver)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a newer or older platform
            client.Client(endpoint=url, token=token, connect_timeout=CONNECT_TIMEOUT)
    except Exception as error:
        # the library puts the token into some of its messages
        text = str(error).replace(token, "*****")
        raise StartupError(
            f"the platform's API at {url} cannot be used ({type(error).__name__}: {text}); "
            "check its address and the token"
        ) from None
    logger.info("model code may call the platform's API at %s", url)


def endpoint(webserver: str) -> str:
    """The address of the API: the platform's with its path, once."""
    url = webserver.rstrip("/")
    return url if url.endswith(API_PATH) else url + API_PATH
