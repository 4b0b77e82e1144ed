"""What is known of one request, and who is told of it when it has been answered.

The outermost wrapper of every front begins a record and ends it, so that requests which were
turned away, and those of extensions, are counted and logged as well.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar

from datarobot_drum.drum.observability.context import request_id

logger = logging.getLogger("drum.server")

#: The route of a path that is not in the table of routes.
UNMATCHED = "unmatched"
#: What is told of a client that left before it got an answer; nginx made the number known.
CLIENT_LEFT = 499


class Record:
    """One request, filled as it goes; `route` is the template of its path, never the path.

    `target` is the path with its query string as they were sent, `client` the address of the peer
    after the rule of trusted proxies. `status` is 0 until the head of the answer was sent, `size`
    counts the bytes of its body; `seconds` is set at the end. `failed` tells that the answer was
    cut off, or that the client left before its end. `error` is the text of an error answer.
    `trace_id` and `span_id` are those of the operation's span, as numbers; 0 where there is none.
    """

    __slots__ = (
        "agent",
        "client",
        "error",
        "failed",
        "method",
        "operation",
        "protocol",
        "referer",
        "request_id",
        "route",
        "seconds",
        "size",
        "span_id",
        "started",
        "status",
        "target",
        "trace_id",
    )

    def __init__(
        self,
        request_id: str,
        method: str,
        target: str,
        *,
        client: str = "",
        protocol: str = "HTTP/1.1",
        referer: str = "",
        agent: str = "",
    ) -> None:
        self.request_id = request_id
        self.method = method
        self.target = target
        self.client = client
        self.protocol = protocol
        self.referer = referer
        self.agent = agent
        self.route = UNMATCHED
        self.operation = ""
        self.status = 0
        self.size = 0
        self.failed = False
        self.error = ""
        self.seconds = 0.0
        self.trace_id = 0
        self.span_id = 0
        self.started = time.perf_counter()

    def matched(self, template: str | None) -> None:
        """Tell the path's template that a framework found, for routes that are not of the table."""
        if template is not None and self.route == UNMATCHED:
            self.route = template


#: The record of the request that the running code serves.
current_record: ContextVar[Record | None] = ContextVar("current_record", default=None)


def note_error(text: str) -> None:
    """Tell the record of the running request why it is refused; secrets are masked already."""
    record = current_record.get()
    if record is not None:
        record.error = text


Sink = Callable[[Record], None]


class Recorder:
    """Tells every sink of each answered request: the access log, the metrics, ..."""

    def __init__(self) -> None:
        self._sinks: list[Sink] = []
        self._numbers = itertools.count(1)
        #: requests that have been answered; at times one or two behind
        self.ended = 0

    def add(self, sink: Sink) -> None:
        """Tell `sink` of every request from now on; it must be fast and thread-safe."""
        self._sinks.append(sink)

    def begin(self, record: Record) -> None:
        """Make `record` the one of the running context."""
        request_id.set(record.request_id)
        current_record.set(record)

    def end(self, record: Record) -> None:
        """The answer has been sent, or never will be."""
        record.seconds = time.perf_counter() - record.started
        self.ended = next(self._numbers)
        if record.method == "HEAD":
            # whatever the app made, servers send no body
            record.size = 0
        for sink in self._sinks:
            try:
                sink(record)
            except Exception:
                # what is told of a request must never cost its answer
                logger.exception("cannot record a request")
