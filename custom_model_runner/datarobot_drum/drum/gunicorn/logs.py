"""How the Gunicorn arbiter and its workers log."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from datarobot_drum.drum.observability.logs import setup_server_loggers
from datarobot_drum.drum.settings import Settings


class ArbiterLog(Logger):  # type: ignore[misc]  # the package has no types
    """Gunicorn's lines in the form of all others, instead of a form and a stream of its own."""

    def setup(self, cfg: Any) -> None:
        """Called at the start, and again when the configuration is reloaded."""
        super().setup(cfg)
        setup_server_loggers(Settings.load(warn=False).server_log_level)
