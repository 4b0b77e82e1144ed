"""Clients that leave before their answer: how a front with threads is told of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading

    from datarobot_drum.drum.root_predictors.execution import Job

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


def wait_long(job: Job, done: threading.Event, client: Client | None) -> None:
    """Return when `done` is set, by the job or because its client left; raises as `overdue`."""

    def leave() -> None:
        job.abandon()
        done.set()

    with nullcontext() if client is None else client.watch(leave):
        while not done.wait(job.overdue()):
            pass
