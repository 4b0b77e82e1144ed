"""Has what model code prints shown within a second or two, whatever the traffic.

Stdout is a pipe in production, which Python buffers; and a pipe whose reader stalls would stop the
hook that prints.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from datarobot_drum.drum.observability.print_stream import PrintOutput, print_stream

#: Seconds between two tries while the reader takes what waits, and while it does not.
SHORT_PAUSE, LONG_PAUSE = 0.005, 0.1
#: Seconds that a reader gets at the end.
LAST_WAIT = 1.0


class StdoutFlusher:
    """Puts a stream in the place of stdout that writes whole lines at once, without ever waiting.

    Text without a line end is shown when its request ends, or after `max_time_until_flushing`
    seconds at most: a thread flushes whatever is `sys.stdout` then, be it one that model code has
    put there. That thread also hands on what a stalling reader did not take.
    """

    def __init__(self, max_time_until_flushing: float = 1.0) -> None:
        self._period = max_time_until_flushing
        self._before: io.TextIOWrapper | None = None
        self._stream: io.TextIOWrapper | None = None
        self._output: PrintOutput | None = None
        self._wake = threading.Event()
        self._flush_own: Callable[[], None] = lambda: None
        self._is_ending = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in the process that prints; once."""
        if self._thread is not None:
            return
        if isinstance(sys.stdout, io.TextIOWrapper):
            self._replace(sys.stdout)
        self._thread = threading.Thread(target=self._run, name="stdout-flusher", daemon=True)
        self._thread.start()

    def _replace(self, stream: io.TextIOWrapper) -> None:
        stream.reconfigure(line_buffering=True)
        made = print_stream(stream, self._wake.set)
        if made is not None:
            # what is left in it would come after all that is printed from now on
            _flush(stream)
            self._before = stream
            self._stream, self._output = made
            self._flush_own = self._stream.flush
            sys.stdout = self._stream

    def stop(self) -> None:
        """End the thread and show what is left, for a second at most; stdout is as it was."""
        if self._thread is None:
            return
        self._is_ending = True
        self._wake.set()
        self._thread.join(LAST_WAIT)
        self._flush_all()
        output, end = self._output, time.monotonic() + LAST_WAIT
        if output is None:
            return
        while output.waiting and time.monotonic() < end:
            time.sleep(SHORT_PAUSE)
            output.flush()
        output.end()
        if sys.stdout is self._stream and self._before is not None:
            sys.stdout = self._before

    def is_alive(self) -> bool:
        """Does the thread run?"""
        return self._thread is not None and self._thread.is_alive()

    def set_last_activity_time(self) -> None:
        """A request has ended: show what it printed without a line end. No system call if nothing.

        Safe on an event loop: nothing here waits.
        """
        if self._output is not None:
            try:
                self._flush_own()
            except ValueError:
                return  # model code has detached it

    def _run(self) -> None:
        before = 0
        while not self._is_ending:
            self._wake.wait(self._pause(before))
            self._wake.clear()
            before = 0 if self._output is None else self._output.waiting
            self._flush_all()

    def _pause(self, before: int) -> float:
        left = 0 if self._output is None else self._output.waiting
        if not left:
            return self._period
        return SHORT_PAUSE if left < before else LONG_PAUSE

    def _flush_all(self) -> None:
        if self._stream is not None:
            _flush(self._stream)
        if sys.stdout is not self._stream:
            _flush(sys.stdout)
        if self._output is not None:
            self._output.look()


def _flush(stream: Any) -> None:
    # model code may have closed it, detached it, or put there what cannot be flushed
    with contextlib.suppress(Exception):
        stream.flush()


class StdoutFlusherMiddleware:
    """ASGI layer that tells the flusher when a request has ended, streams included."""

    def __init__(self, app: Callable[..., Awaitable[None]], flusher: StdoutFlusher) -> None:
        self._app = app
        self._flusher = flusher

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            self._flusher.set_last_activity_time()


class StdoutFlusherApp:
    """The same for WSGI, where a stream goes on when the app has returned."""

    def __init__(self, app: Callable[..., Any], flusher: StdoutFlusher) -> None:
        self._app = app
        self._flusher = flusher

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        try:
            return self._app(environ, start_response)
        finally:
            self._flusher.set_last_activity_time()
