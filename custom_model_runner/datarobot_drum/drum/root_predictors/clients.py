"""Clients that leave before their answer: how a front with threads is told of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

#: Seconds after which a request that still waits for its answer is worth a look at its client.
WATCH_AFTER = 0.05


class ClientLeft(BaseException):
    """The connection ended before the answer; there is nobody to answer.

    No Exception: what handles errors of a request must not make an answer of it.
    """


class Client(Protocol):
    """The client of one request."""

    def watch(self, on_left: Callable[[], None]) -> AbstractContextManager[object]:
        """Call `on_left` from another thread when the client leaves within the context."""
