"""Answers without a web framework."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datarobot_drum.drum.root_predictors.streams import StreamBuffer

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """A status, headers and a body: bytes, or pieces that come one by one.

    The model makes pieces as `stream`; what a front gets is the `buffer` that they pass through.
    `interrupt` ends a wait for the next piece, from another thread.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    stream: Iterator[bytes] | None = None
    interrupt: Callable[[], None] | None = None
    buffer: StreamBuffer | None = None

    def streaming(self, buffer: StreamBuffer) -> Reply:
        """The same reply with its pieces coming through `buffer`."""
        return replace(self, stream=None, buffer=buffer)
