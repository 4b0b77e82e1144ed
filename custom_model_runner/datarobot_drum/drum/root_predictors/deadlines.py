"""The deadline of a request, from its begin to the head of its answer."""

from __future__ import annotations

import time
from contextvars import ContextVar

from datarobot_drum.drum.errors import DeadlineExceeded

#: No limit, as a number that timers accept.
FOREVER = 10**9
#: What did not happen in time where the upload of a body took too long.
NOT_RECEIVED = "the request was not received and answered"


class Deadline:
    """When a request must have been answered, `limit` seconds after this was made.

    Whoever waits with the deadline in mind sets `is_kept` meanwhile; else the front cuts the
    request off when the time is over.
    """

    __slots__ = ("end", "is_kept", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.end = time.monotonic() + limit
        self.is_kept = False

    @property
    def left(self) -> float:
        """Seconds until the time is over."""
        return self.end - time.monotonic()

    def check(self, what: str) -> None:
        """DeadlineExceeded with the words `what` when the time is over."""
        if time.monotonic() > self.end:
            raise self.error(what)

    def error(self, what: str) -> DeadlineExceeded:
        """The error that tells that `what` did not happen in time."""
        return DeadlineExceeded(f"{what} within {self.limit:g} s (DRUM_CLIENT_REQUEST_TIMEOUT)")


#: The deadline of the request that the running code serves.
current_deadline: ContextVar[Deadline | None] = ContextVar("current_deadline", default=None)
