"""What old model code imports from here: a logger of the runner's family."""

from __future__ import annotations

import logging


def get_drum_logger(name: str) -> logging.Logger:
    """The logger `drum.<name>`, whose lines look like the runner's own."""
    return logging.getLogger(f"drum.{name}")
