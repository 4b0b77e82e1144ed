"""Whether a deployment wants the texts of its chats, as its settings on the platform say."""

from __future__ import annotations

import logging
import time
from typing import Any

logger = logging.getLogger("drum.reports")

#: Seconds that an answer of the platform counts.
REFRESH = 60
TIMEOUT = 10
#: Settings of a deployment; one that is on is enough. Names of the platform's public API.
REASONS = ("targetDrift", "featureDrift", "predictionsDataCollection")


class WantsTexts:
    """Asks the platform, at most once a minute, whether texts of chats are to be reported.

    True where it does not answer, or has not yet. Called by the thread that sends reports.
    """

    def __init__(self, endpoint: str, token: str, deployment_id: str) -> None:
        self._url = f"{endpoint}/deployments/{deployment_id}/settings/"
        self._headers = {"Authorization": f"Token {token}"}
        self._asked = -float("inf")
        self._wanted = True

    def __call__(self) -> bool:
        """Are they wanted?"""
        now = time.monotonic()
        if now - self._asked >= REFRESH:
            self._asked = now
            self._wanted = self._ask()
        return self._wanted

    def _ask(self) -> bool:
        import httpx

        try:
            reply = httpx.get(self._url, headers=self._headers, timeout=TIMEOUT)
            settings = reply.raise_for_status().json()
            return any(_is_on(settings.get(name)) for name in REASONS)
        except (httpx.HTTPError, ValueError, AttributeError) as error:
            logger.warning(
                "the deployment's settings cannot be read (%s); the last answer counts",
                type(error).__name__,
            )
            return self._wanted


def _is_on(setting: Any) -> bool:
    return isinstance(setting, dict) and setting.get("enabled") is True
