"""Finds requests in the bytes of one connection and lets only well-framed ones through.

Both production servers put it between the socket and their own parser: what it gives out is what
the parser reads, so that the two cannot differ about where a request ends. No input, no output and
no clock in here.
"""

from __future__ import annotations

import re
from enum import Enum

from datarobot_drum.drum.errors import RefusedRequest
from datarobot_drum.drum.root_predictors.request_head import (
    MAX_FIELD,
    MAX_FIELDS,
    MAX_HEAD,
    MAX_REQUEST_LINE,
    TOKEN,
    Head,
    check_field,
    check_head,
    check_request_line,
)

#: Bytes of the line before a chunk; nobody needs extensions.
MAX_CHUNK_LINE = 256

QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
EXTENSION = rb"[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?" % (TOKEN, TOKEN, QUOTED)
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + EXTENSION + rb")*")
BARE_LF = re.compile(rb"(?<!\r)\n")
#: They would change what was already decided by the head (RFC 9110, 6.5.1).
NO_TRAILERS = frozenset(
    b"authorization connection content-encoding content-length content-range content-type cookie "
    b"expect host te trailer transfer-encoding upgrade".split()
)


class Part(Enum):
    """Which part of a request comes next."""

    HEAD = "head"
    BODY = "body of a known length"
    CHUNK_LINE = "size of a chunk"
    CHUNK = "data of a chunk"
    CHUNK_END = "line end of a chunk"
    TRAILER = "trailer section"


class Framing:
    """The requests of one connection, one after another.

    `add` what was read, then `take` until nothing is left. Heads are given out whole, bodies as
    they come, chunks joined anew, without extensions and trailers. `head` is the last one.
    """

    __slots__ = ("_at", "_blank", "_data", "_left", "_part", "_scanned", "_trailers", "head")

    def __init__(self) -> None:
        self.head: Head | None = None
        self._data = b""
        self._at = 0
        self._part = Part.HEAD
        self._scanned = 0
        self._blank = False
        self._left = 0
        self._trailers = 0

    @property
    def in_body(self) -> bool:
        """Is a body not over yet?"""
        return self._part is not Part.HEAD

    @property
    def in_head(self) -> bool:
        """Has a head begun that is not over?"""
        return self._part is Part.HEAD and self._at < len(self._data)

    @property
    def lacks_body(self) -> bool:
        """Must more be read before the body can be over?"""
        if self._part is Part.BODY:
            return self._left > len(self._data) - self._at
        return self.in_body

    @property
    def start(self) -> bytes:
        """The beginning of what was not given out."""
        return self._data[self._at : self._at + MAX_HEAD]

    def add(self, data: bytes) -> None:
        """Bytes that were read."""
        if self._at < len(self._data):
            self._data = self._data[self._at :] + data
        else:
            self._data = data
        self._scanned = max(0, self._scanned - self._at)
        self._at = 0

    def take(self) -> bytes:
        """The next bytes for the parser, empty when more must be read first; RefusedRequest.

        After an error, and after what was said about it, the connection must be closed.
        """
        if self._at >= len(self._data):
            return b""
        if self._part is Part.HEAD:
            return self._take_head()
        if self._part is Part.BODY:
            return self._take_body()
        return self._take_chunks()

    def end(self) -> None:
        """The client sends nothing more; RefusedRequest if that is in the middle of a body."""
        if self.in_body:
            raise RefusedRequest("the request body ended early; send it again")

    def _take_head(self) -> bytes:
        data = self._data
        if not self._blank and data.startswith(b"\r\n", self._at):
            # one empty line before a request is ignored: old clients send it after a body
            self._blank = True
            self._at += 2
        end = data.find(b"\r\n\r\n", max(self._at, self._scanned - 3))
        if end < 0:
            self._check_start()
            self._scanned = len(data)
            return b""
        head = check_head(data[self._at : end + 4])
        self.head = head
        self._at = end + 4
        self._blank = False
        self._scanned = 0
        if head.length is None:
            self._part = Part.CHUNK_LINE
        elif head.length:
            self._part, self._left = Part.BODY, head.length
        return head.data

    def _check_start(self) -> None:
        """Refuse a head that can only get worse, before its end has come."""
        data, at = self._data, self._at
        line_end = data.find(b"\r\n", at, at + MAX_REQUEST_LINE + 2)
        if line_end >= 0:
            check_request_line(data[at:line_end])
        elif len(data) - at > MAX_REQUEST_LINE + 1:
            raise RefusedRequest(f"the request line is longer than {MAX_REQUEST_LINE} bytes", 414)
        if BARE_LF.search(data, max(at, self._scanned)):
            raise RefusedRequest("a line ends with a bare line feed; lines end with CR LF")
        if len(data) - at > MAX_HEAD:
            raise RefusedRequest(f"the request's head is larger than {MAX_HEAD} bytes", 431)

    def _take_body(self) -> bytes:
        piece = self._data[self._at : self._at + self._left]
        self._at += len(piece)
        self._left -= len(piece)
        if not self._left:
            self._part = Part.HEAD
        return piece

    def _take_chunks(self) -> bytes:
        parts: list[bytes] = []
        while self.in_body and self._next_part(parts):
            continue
        data = b"".join(parts)
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return chunk if self.in_body else chunk + b"0\r\n\r\n"

    def _next_part(self, parts: list[bytes]) -> bool:
        """Read one part of a chunked body; False when it has not come whole."""
        if self._part is Part.CHUNK:
            return self._read_chunk(parts)
        if self._part is Part.CHUNK_END:
            return self._read_chunk_end()
        if self._part is Part.TRAILER:
            return self._read_trailer()
        return self._read_chunk_line()

    def _read_chunk(self, parts: list[bytes]) -> bool:
        data = self._take_raw(self._left)
        self._left -= len(data)
        parts.append(data)
        if self._left:
            return False
        self._part = Part.CHUNK_END
        return True

    def _read_chunk_end(self) -> bool:
        end = self._data[self._at : self._at + 2]
        if not b"\r\n".startswith(end):
            raise RefusedRequest("a chunk is longer than its size, or has no line end")
        if len(end) < 2:
            return False
        self._at += 2
        self._part = Part.CHUNK_LINE
        return True

    def _read_chunk_line(self) -> bool:
        line = self._line(MAX_CHUNK_LINE, 400, "the line before a chunk")
        if line is None:
            return False
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            raise RefusedRequest("the size of a chunk is malformed; it must be hexadecimal")
        self._left = int(match[1], 16)
        self._trailers = 0
        self._part = Part.CHUNK if self._left else Part.TRAILER
        return True

    def _read_trailer(self) -> bool:
        line = self._line(MAX_FIELD, 431, "a trailer field")
        if line is None:
            return False
        if not line:
            self._part = Part.HEAD
            return True
        self._trailers += 1
        if self._trailers > MAX_FIELDS:
            raise RefusedRequest(f"the request has more than {MAX_FIELDS} trailer fields", 431)
        name = check_field(line)
        if name in NO_TRAILERS:
            raise RefusedRequest(f"the header {name.decode()!r} is not allowed in a trailer")
        return True

    def _line(self, limit: int, status: int, what: str) -> bytes | None:
        """The next line without its end, once it is there."""
        end = self._data.find(b"\r\n", self._at, self._at + limit + 2)
        if end < 0:
            if len(self._data) - self._at > limit + 1:
                raise RefusedRequest(f"{what} is longer than {limit} bytes", status)
            if BARE_LF.search(self._data, self._at):
                raise RefusedRequest("a line ends with a bare line feed; lines end with CR LF")
            return None
        line = self._data[self._at : end]
        self._at = end + 2
        return line

    def _take_raw(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        self._at += len(data)
        return data
