"""Spans of operations: their names, attributes and parents, the same on every server type.

All of it costs one comparison while tracing is off; OpenTelemetry is imported when `otel.py` turns
it on. The parent of an operation comes from W3C `traceparent` and `tracestate`, unless a span
already runs (that of the server, or of an extension).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from datarobot_drum.drum.observability.gen_ai import StreamedCompletion
from datarobot_drum.drum.observability.masking import masked
from datarobot_drum.drum.observability.record import Record, current_record

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

#: The instrumentation scope of all spans.
SCOPE = "datarobot_drum.drum.server"
DIRECT_ACCESS = "drum.directAccess"
CHAT = "drum.chat.completions"
CHAT_STREAM = f"{CHAT}.stream"
#: Request headers that become attributes.
CONSUMER_HEADERS = {
    "X-DataRobot-Consumer-Id": "gen_ai.request.consumer_id",
    "X-DataRobot-Consumer-Type": "gen_ai.request.consumer_type",
}
PARENT_HEADERS = ("traceparent", "tracestate")
#: From here on an answer is this server's failure.
SERVER_ERROR = 500

#: Methods that the conventions know; any other one is `_OTHER`, or clients could invent series.
METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)

#: The same for versions: a request that is refused may name any.
VERSIONS = {"HTTP/1.0": "1.0", "HTTP/1.1": "1.1"}

Attributes = dict[str, Any]


class Getter(Protocol):
    """Headers that are asked for by name, in any case."""

    def get(self, name: str, /) -> Any:
        """The value of a header."""


class _Library:
    """What operations use of OpenTelemetry; an import statement in each request would cost."""

    def __init__(self) -> None:
        from opentelemetry import context, trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.attach, self.detach = context.attach, context.detach
        self.current_span = trace.get_current_span
        self.context_of = trace.set_span_in_context
        self.no_span = trace.INVALID_SPAN
        self.extract = TraceContextTextMapPropagator().extract


class _State:
    """What this process uses to make spans; nothing until tracing is turned on."""

    tracer: Tracer | None = None
    library: _Library
    scheme = "http"


def turn_on(tracer: Tracer, scheme: str = "http") -> None:
    """Make spans with `tracer` from now on, of requests that come by `scheme`."""
    _State.library = _Library()
    _State.tracer, _State.scheme = tracer, scheme


def turn_off() -> None:
    """Make no more spans."""
    _State.tracer = None


def are_on() -> bool:
    """Are spans made?"""
    return _State.tracer is not None


def current_ids() -> tuple[str, str]:
    """Trace id and span id of what runs, as hexadecimal digits; empty where there are none."""
    if _State.tracer is None:
        return "", ""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return "", ""
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


class Operation:
    """The span of one operation, current inside its `with` block and ended at the block's end.

    `keep` leaves it open for what still comes then, such as a body: `end` must be called.
    """

    def __init__(self, name: str, headers: Getter) -> None:
        tracer = _State.tracer
        self._span: Span | None = None
        self._kept = False
        if tracer is None:
            return
        self._library = _State.library
        self._span = tracer.start_span(name, context=_parent(headers))
        if name != CHAT and self._span.is_recording() and (found := _consumer(headers)):
            self._span.set_attributes(found)
        _note(self._span)

    def __enter__(self) -> Operation:
        if self._span is not None:
            self._token = self._library.attach(self._library.context_of(self._span))
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._span is None:
            return
        if isinstance(error, Exception):
            _fail(self._span, error)
        self._library.detach(self._token)
        if not self._kept:
            self._span.end()

    def keep(self) -> Operation:
        """Leave the span open at the end of the block."""
        self._kept = True
        return self

    def end(self) -> None:
        """The end of a span that was kept."""
        if self._span is not None:
            self._span.end()


def _parent(headers: Getter) -> Context | None:
    if not headers.get("traceparent"):
        return None
    library = _State.library
    running = library.current_span()
    if running is not library.no_span and running.get_span_context().is_valid:
        return None
    carrier = {name: headers.get(name) or "" for name in PARENT_HEADERS}
    return library.extract(carrier)


def _consumer(headers: Getter) -> Attributes:
    found = ((key, headers.get(name)) for name, key in CONSUMER_HEADERS.items())
    return {key: masked(value) for key, value in found if value}


def _note(span: Span) -> None:
    """Tell the record of the running request, for the access log."""
    record = current_record.get()
    context = span.get_span_context()
    if record is not None:
        record.trace_id, record.span_id = context.trace_id, context.span_id


def set_attributes(make: Callable[[], Attributes]) -> None:
    """Add what `make` returns to the running span; it is only called if somebody records it."""
    if _State.tracer is None:
        return
    from opentelemetry import trace

    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(make())


def failed(error: BaseException) -> None:
    """Mark the running span as failed, with `error` as its one exception event."""
    if _State.tracer is None:
        return
    from opentelemetry import trace

    _fail(trace.get_current_span(), error)


def _fail(span: Span, error: BaseException) -> None:
    if not span.is_recording():
        return
    from opentelemetry.trace import Status, StatusCode

    name = type(error).__qualname__
    # made here and not by `record_exception`, which would send secrets as they are
    shown = masked("".join(traceback.format_exception(error)))
    text = masked(_text(error))
    span.add_event(
        "exception",
        {
            "exception.type": f"{_module(error)}{name}",
            "exception.message": text,
            "exception.stacktrace": shown,
            "exception.escaped": "False",
        },
    )
    span.set_status(Status(StatusCode.ERROR, f"{name}: {text}"))


def _module(error: BaseException) -> str:
    module = type(error).__module__
    return "" if module == "builtins" else f"{module}."


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return type(error).__name__


def refused(text: str) -> None:
    """Mark the running span as failed, without an exception."""
    if _State.tracer is None:
        return
    from opentelemetry import trace
    from opentelemetry.trace import Status, StatusCode

    trace.get_current_span().set_status(Status(StatusCode.ERROR, text))


def streamed(name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces; while tracing is on, a child of the running span is open until they end."""
    return pieces if _State.tracer is None else StreamSpan(_State.tracer, name, pieces)


class StreamSpan:
    """Pieces of a streamed chat; their span is current whenever the next one is made."""

    def __init__(self, tracer: Tracer, name: str, pieces: Iterator[bytes]) -> None:
        from opentelemetry import trace

        self._pieces = pieces
        self._span: Span | None = tracer.start_span(name)
        self._context = trace.set_span_in_context(self._span)
        self._completion = StreamedCompletion() if self._span.is_recording() else None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with _attached(self._context):
            piece = next(self._pieces, None)
        if piece is None:
            self._end()
            raise StopIteration
        if self._completion is not None:
            self._completion.add(piece)
        return piece

    def close(self) -> None:
        """The pieces that are left are not wanted; the span tells what came until now."""
        close = getattr(self._pieces, "close", None)
        try:
            if close is not None:
                with _attached(self._context):
                    close()
        finally:
            self._end()

    def _end(self) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        if self._completion is not None:
            span.set_attributes(self._completion.attributes())
        span.end()


@contextmanager
def _attached(context: Context) -> Iterator[None]:
    from opentelemetry.context import attach, detach

    token = attach(context)
    try:
        yield
    finally:
        detach(token)


def suppressed() -> AbstractContextManager[None]:
    """Instrumented libraries make no spans inside the block, for traffic of this program's own."""
    if _State.tracer is None:
        return nullcontext()
    from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_current, set_value

    # the plain word is what instrumentations of older releases ask for
    context = set_value(_SUPPRESS_INSTRUMENTATION_KEY, True, get_current())
    return _attached(set_value("suppress_instrumentation", True, context))


def propagated(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with the running span as parent of what they are sent to."""
    parent = _parent_headers()
    if not parent:
        return headers
    own = {name.encode() for name in PARENT_HEADERS}
    kept = [(name, value) for name, value in headers if name.lower() not in own]
    return kept + [(name.encode(), value.encode()) for name, value in parent.items()]


def propagate(headers: MutableMapping[str, str]) -> None:
    """As `propagated`, in place."""
    parent = _parent_headers()
    if parent:
        for name in PARENT_HEADERS:
            headers.pop(name, None)
        headers.update(parent)


def _parent_headers() -> dict[str, str]:
    carrier: dict[str, str] = {}
    if _State.tracer is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(carrier)
    return carrier


class ServerSpan:
    """The span of a whole request, which fronts make around an app where operators ask for it."""

    def __init__(self, headers: Getter) -> None:
        self._record = current_record.get()
        self._span: Span | None = None
        self._token: Any = None
        tracer, record = _State.tracer, self._record
        if tracer is None or record is None:
            return
        from opentelemetry.trace import SpanKind

        library = _State.library
        self._span = tracer.start_span(
            _shown_method(record), context=_parent(headers), kind=SpanKind.SERVER
        )
        self._token = library.attach(library.context_of(self._span))
        _note(self._span)

    def leave(self) -> None:
        """The span is not current any more in this thread or task; its body may still come."""
        if self._span is not None:
            from opentelemetry.context import detach

            detach(self._token)

    def end(self) -> None:
        """The answer is over."""
        span, record = self._span, self._record
        if span is None or record is None:
            return
        from opentelemetry.trace import Status, StatusCode

        if span.is_recording():
            span.update_name(f"{_shown_method(record)} {record.route}")
            span.set_attributes(request_attributes(record))
            span.set_attributes(
                {
                    "url.path": masked(record.target.partition("?")[0]),
                    "client.address": record.client,
                    "user_agent.original": masked(record.agent),
                }
            )
            if record.status >= SERVER_ERROR:
                span.set_status(Status(StatusCode.ERROR))
        span.end()


def _shown_method(record: Record) -> str:
    # the conventions' word for a method that a client has invented
    return record.method if record.method in METHODS else "HTTP"


def request_attributes(record: Record) -> Attributes:
    """What OpenTelemetry's conventions for HTTP servers call a request's facts."""
    found: Attributes = {
        "http.request.method": record.method if record.method in METHODS else "_OTHER",
        "url.scheme": _State.scheme,
    }
    if record.protocol in VERSIONS:
        found["network.protocol.version"] = VERSIONS[record.protocol]
    if record.operation:
        found["http.route"] = record.route
    if record.status:
        found["http.response.status_code"] = record.status
    return found
