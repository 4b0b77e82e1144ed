"""Streamed answers: server-sent events, and the buffer between a model and a slow client."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.observability.masking import masked

logger = logging.getLogger("drum.streams")

#: Pieces that a model may be ahead of its client.
BUFFERED_PIECES = 16
DONE = b"data: [DONE]\n\n"


def event(text: str) -> bytes:
    """One server-sent event; a line feed in `text` becomes a further `data:` line.

    Only line ends of the protocol count (CR, LF, both), not the further ones of Unicode, which
    may stand inside a JSON string (WHATWG HTML, section 9.2.6).
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return ("".join(f"data: {line}\n" for line in lines) + "\n").encode()


def error_event(message: str, kind: str) -> bytes:
    """The last event of a stream that broke, in OpenAI's form."""
    return event(json.dumps({"error": {"message": message, "type": kind}}))


def events(chunks: Iterable[Any], to_text: Callable[[Any], str]) -> Iterator[bytes]:
    """Each chunk as an event, then `[DONE]`; after an exception an error event and no `[DONE]`."""
    try:
        for chunk in chunks:
            yield event(to_text(chunk))
    except GeneratorExit:
        raise
    except BaseException as error:
        # model code may raise anything; the prediction thread must live on
        spans.failed(error)
        logger.exception("the model's stream broke")
        yield error_event(masked(str(error) or repr(error)), type(error).__name__)
        return
    yield DONE


class StreamBuffer:
    """Pieces on their way from the prediction thread to the client; both sides may give up.

    `patience` is how many seconds either side waits for the other. `interrupt` ends the wait for
    the source's next piece; without it a source ends after the piece it is at. `reading` is
    entered while the source waits for the reader.
    """

    def __init__(
        self,
        patience: float,
        interrupt: Callable[[], None] | None = None,
        reading: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._patience = patience
        self._interrupt = interrupt
        self._reading = reading
        self._pieces: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closed = False
        self._notify: Callable[[], None] | None = None
        self._last = time.monotonic()

    def pump(self, source: Iterator[bytes]) -> None:
        """Move all pieces of `source`, until it ends or the reader is gone; then close it."""
        try:
            while self._is_free() or self._has_room():
                piece = next(source, None)
                if piece is None:
                    break
                self._put(piece)
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
            self._end()

    def _is_free(self) -> bool:
        # the usual case, without a lock: only `pump` adds pieces, and a late look at `_closed`
        # costs one piece that nobody reads
        return not self._closed and len(self._pieces) < BUFFERED_PIECES

    def _has_room(self) -> bool:
        with self._reading(), self._changed:
            self._changed.wait_for(
                lambda: self._closed or len(self._pieces) < BUFFERED_PIECES, self._patience
            )
            if self._closed:
                return False
            if len(self._pieces) < BUFFERED_PIECES:
                return True
            self._pieces.append(error_event("the client read too slowly", "timeout"))
            return False

    def _put(self, piece: bytes) -> None:
        with self._changed:
            if self._closed:
                return
            self._pieces.append(piece)
            self._last = time.monotonic()
            self._wake()

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._wake()

    def _wake(self) -> None:
        self._changed.notify_all()
        if self._notify is not None:
            self._notify()

    def listen(self, notify: Callable[[], None]) -> None:
        """Call `notify` from the prediction thread whenever `take` may have something new."""
        with self._changed:
            self._notify = notify
            notify()

    def take(self) -> tuple[bytes, bool]:
        """All pieces that are there, and whether the stream is over; never waits."""
        with self._changed:
            data = b"".join(self._pieces)
            self._pieces.clear()
            over = self._ended or self._closed
            late = not data and not over and time.monotonic() - self._last > self._patience
            self._closed = self._closed or late
            self._changed.notify_all()
        if late:
            logger.error("the model's stream gave nothing for %.0f s; it is cut", self._patience)
            return error_event("the model took too long for its next piece", "timeout"), True
        return data, over

    def wait(self) -> None:
        """Block until `take` may have something new, or patience is at its end."""
        with self._changed:
            self._changed.wait_for(
                lambda: bool(self._pieces) or self._ended or self._closed, self._patience
            )

    @property
    def patience(self) -> float:
        """Seconds to wait for the next piece."""
        return self._patience

    @property
    def due(self) -> float:
        """When the next piece, or the end, should be there, on the monotonic clock."""
        return self._last + self._patience

    def close(self) -> None:
        """The reader is gone: the model's iterator is closed after its current piece."""
        with self._changed:
            interrupt, self._interrupt = None if self._ended else self._interrupt, None
            self._closed = True
            self._wake()
        if interrupt is not None:
            interrupt()

    def cut(self, message: str) -> None:
        """End the stream with an error event, for the reason that `message` tells."""
        with self._changed:
            if self._ended or self._closed:
                return
            self._pieces.append(error_event(message, "shutdown"))
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """All pieces, blocking; for fronts with threads."""
        try:
            over = False
            while not over:
                self.wait()
                data, over = self.take()
                if data:
                    yield data
        finally:
            self.close()
