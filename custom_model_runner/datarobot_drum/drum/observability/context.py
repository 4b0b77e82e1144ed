"""The request that a line of log belongs to."""

from __future__ import annotations

from contextvars import ContextVar

#: Id of the request that the running code serves; empty outside a request.
request_id: ContextVar[str] = ContextVar("request_id", default="")
