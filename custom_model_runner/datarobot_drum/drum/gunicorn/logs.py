"""Gunicorn's logger in our format: its records go to the root logger's handlers."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger


class ArbiterLogger(Logger):  # type: ignore[misc]  # the package has no types
    """Has a level of its own and no handlers of its own."""

    def setup(self, cfg: Any) -> None:
        """As Gunicorn's, then hand all records on."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
        self.error_log.propagate = True
