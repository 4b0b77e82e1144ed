"""Status events of a deployment, for a platform that wants to know how far a start has come."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from datarobot_drum.drum.settings import InferenceSettings

logger = logging.getLogger("drum.inference")

TIMEOUT = 5.0
STAGES = ("loading the model", "starting the inference server", "the inference server is ready")


def reporter(settings: InferenceSettings) -> Callable[[int], None]:
    """A function that tells the platform which stage, from 1 on, has been reached.

    It does nothing unless endpoint, token and deployment are all set; it never blocks or fails.
    """
    if not (settings.endpoint and settings.api_token and settings.deployment_id):
        return lambda stage: None
    return lambda stage: threading.Thread(target=_send, args=(settings, stage), daemon=True).start()


def _send(settings: InferenceSettings, stage: int) -> None:
    import httpx

    event = {
        "eventType": "deploymentInfo",
        "title": f"Deployment stage {stage} out of {len(STAGES)}",
        "message": STAGES[stage - 1],
        "deploymentId": settings.deployment_id,
        "timestamp": datetime.now(UTC).isoformat(),
    }
    try:
        httpx.post(
            f"{str(settings.endpoint).rstrip('/')}/remoteEvents/",
            json=event,
            headers={"Authorization": f"Bearer {settings.api_token}"},
            timeout=TIMEOUT,
            verify=settings.verify_ssl,
        ).raise_for_status()
    except Exception as error:
        # whatever it is, the start of the model goes on
        logger.warning("cannot report the stage of the deployment: %s", type(error).__name__)
