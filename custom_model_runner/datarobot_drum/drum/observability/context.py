"""The request that the running code serves."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

#: Id of the request, for each line of log; empty outside a request.
request_id: ContextVar[str] = ContextVar("request_id", default="")


def _never() -> bool:
    return False


#: Tells whether nobody waits for the answer any more; what takes long asks it now and then.
is_abandoned: ContextVar[Callable[[], bool]] = ContextVar("is_abandoned", default=_never)
