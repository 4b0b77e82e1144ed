"""The form of messages between this program and a model process: a JSON header, then bytes.

A frame is `DRM1`, the length of the header (four bytes, big-endian), the header, which is a JSON
object in UTF-8, and the parts, whose lengths the header lists under `parts`. Requests name an
operation under `op`; answers have `status`: `ok`, or `error` with a `message`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAGIC = b"DRM1"
PREFIX = struct.Struct(">4sI")

#: A longer header is taken for garbage.
MAX_HEADER = 1 << 24


class ProtocolError(Exception):
    """The bytes are no frame: something else wrote to the pipe, or the process has a bug."""


@dataclass(frozen=True)
class Frame:
    """One message: what the header says, and the parts that follow it."""

    header: Mapping[str, Any]
    parts: Sequence[bytes | memoryview] = field(default=())

    def encode(self) -> list[bytes | memoryview]:
        """The pieces that make up the frame; parts are not copied."""
        sizes = [len(part) for part in self.parts]
        fields = {**self.header, "parts": sizes}
        # without escapes beyond ASCII the readers in other languages stay simple
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        header = text.encode("utf-8", "replace")
        if len(header) > MAX_HEADER:
            raise ProtocolError(f"a header of {len(header)} bytes is too long")
        return [PREFIX.pack(MAGIC, len(header)), header, *(part for part in self.parts if part)]


class FrameReader:
    """Collects the bytes of one frame as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: dict[str, Any] | None = None
        self._start = 0
        self._end = PREFIX.size

    def feed(self, data: bytes) -> Frame | None:
        """Add bytes; the frame once it is complete. ProtocolError when it can be none."""
        self._buffer += data
        if self._header is None:
            self._read_header()
        if self._header is None or len(self._buffer) < self._end:
            return None
        if len(self._buffer) > self._end:
            raise ProtocolError("there are bytes behind the answer")
        return Frame(self._header, self._parts(self._header["parts"]))

    def _read_header(self) -> None:
        if len(self._buffer) < PREFIX.size:
            return
        magic, length = PREFIX.unpack_from(self._buffer)
        if magic != MAGIC or length > MAX_HEADER:
            raise ProtocolError(f"an answer starts with {bytes(self._buffer[:16])!r}")
        self._start = self._end = PREFIX.size + length
        if len(self._buffer) < self._end:
            return
        self._header = _parsed(bytes(self._buffer[PREFIX.size : self._end]))
        self._end += sum(self._header["parts"])

    def _parts(self, sizes: Sequence[int]) -> list[memoryview]:
        view = memoryview(self._buffer)
        ends = [self._start]
        for size in sizes:
            ends.append(ends[-1] + size)
        return [view[start:end] for start, end in zip(ends, ends[1:], strict=False)]


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
        sizes = header["parts"]
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"the header of an answer cannot be read: {error!r}") from error
    if not isinstance(sizes, list) or not all(_is_size(size) for size in sizes):
        raise ProtocolError(f"an answer has parts of impossible lengths: {sizes!r}")
    parsed: dict[str, Any] = header
    return parsed


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
