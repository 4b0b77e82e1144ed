"""What happens to exceptions that escape a thread."""

from __future__ import annotations

import logging
import os
import threading

from datarobot_drum.drum.exceptions import UnrecoverableError

logger = logging.getLogger("drum.threads")

#: Exit code of a process whose model code says that it cannot go on.
UNRECOVERABLE = 1

_installed = threading.Event()


def end_on_unrecoverable() -> None:
    """From now on UnrecoverableError in any thread ends this process, at once, with exit code 1.

    Other exceptions go to the hook that was there before. Calling it again does nothing.
    """
    if _installed.is_set():
        return
    _installed.set()
    others = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not isinstance(failure.exc_value, UnrecoverableError):
            others(failure)
            return
        logger.critical("this process cannot go on: %s", failure.exc_value)
        logging.shutdown()
        os._exit(UNRECOVERABLE)

    threading.excepthook = hook
