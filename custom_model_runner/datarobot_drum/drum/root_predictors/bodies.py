"""Request bodies: bounded while they arrive, in memory when small, on disk when large."""

from __future__ import annotations

import contextlib
import io
import tempfile
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from datarobot_drum.drum.errors import (
    DrumError,
    MalformedRequest,
    Overloaded,
    PayloadTooLarge,
)

if TYPE_CHECKING:
    from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure

#: Bodies up to this many bytes never touch the disk.
SPOOL_BYTES = 4 * 1024 * 1024


class SpooledUploadFile:
    """One request body.

    The front feeds it chunks and stops when `feed` says no; whenever `wants_spill` is true it
    calls `spill`, which writes to a temporary file and so must not run on an event loop. The
    error of a body that could not be taken is raised when the core asks for the data. From a
    `gate` it takes the bytes that have come, until it is closed.
    """

    def __init__(
        self,
        limit: int = 0,
        spool_bytes: int = SPOOL_BYTES,
        gate: ProductionBackpressure | None = None,
    ) -> None:
        self._gate = gate
        self._held = 0
        self._limit = limit
        self._spool_bytes = spool_bytes
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._file: IO[bytes] | None = None
        self._error: DrumError | None = None
        self._size = 0

    @classmethod
    def of(cls, data: bytes) -> SpooledUploadFile:
        """A finished body that is already in memory."""
        body = cls()
        body.feed(data)
        return body

    @property
    def size(self) -> int:
        """Bytes that have come; raises the error of a body that could not be taken."""
        self.check()
        return self._size

    @property
    def wants_spill(self) -> bool:
        """Does memory hold enough that `spill` should be called before the next `feed`?"""
        return self._buffered > self._spool_bytes

    @property
    def is_on_disk(self) -> bool:
        """Was the body too large for memory?"""
        return self._file is not None

    def declare(self, length: int) -> bool:
        """Take note of a `Content-Length`; False when that is over the limit already."""
        if self._limit and length > self._limit:
            self.refuse(self._too_large())
        elif self._gate is not None:
            try:
                self._gate.check_bytes(length)
            except Overloaded as error:
                self.refuse(error)
        return self._error is None

    def count(self, chunk: bytes) -> None:
        """Take note of bytes that go elsewhere; PayloadTooLarge past the limit."""
        self._size += len(chunk)
        if self._limit and self._size > self._limit:
            self.refuse(self._too_large())
            self.check()

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes; False when no more are wanted, because of a limit or a full disk."""
        if self._error is not None:
            return False
        self._size += len(chunk)
        if self._limit and self._size > self._limit:
            self.refuse(self._too_large())
            return False
        if self._gate is not None:
            try:
                self._gate.hold(len(chunk), self._held)
            except Overloaded as error:
                self.refuse(error)
                return False
            self._held += len(chunk)
        self._chunks.append(chunk)
        self._buffered += len(chunk)
        return True

    def cut_off(self) -> None:
        """The body ended before its end, or was not framed as HTTP has it."""
        self.refuse(MalformedRequest("the request body ended early; send it again"))

    def spill(self) -> None:
        """Write what memory holds to a temporary file."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="drum-upload-")
            self._file.writelines(self._chunks)
            # a full disk must show here, not when the data is read or the file is closed
            self._file.flush()
        except OSError as error:
            refusal = Overloaded(
                f"cannot store the request body ({error.strerror}); try again later"
            )
            refusal.__cause__ = error
            self.refuse(refusal)
            return
        self._chunks, self._buffered = [], 0

    def bytes(self) -> bytes:
        """The whole body in memory."""
        self.check()
        if self._file is not None:
            return self.open().read()
        if len(self._chunks) != 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0]

    def open(self) -> BinaryIO:
        """The body from its start, as a seekable binary file; closing it closes the body."""
        self.check()
        if self._file is None:
            return io.BytesIO(self.bytes())
        if self._chunks:
            self._file.seek(0, io.SEEK_END)
            self.spill()
            self.check()
        self._file.seek(0)
        return cast("BinaryIO", self._file)

    def close(self) -> None:
        """Drop the data; the temporary file disappears."""
        self._chunks, self._buffered = [], 0
        held, self._held = self._held, 0
        if held and self._gate is not None:
            self._gate.release(held)
        if self._file is not None:
            # a full disk also fails the write that closing tries again; the data is not wanted
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    @property
    def is_refused(self) -> bool:
        """Could it not be taken whole?"""
        return self._error is not None

    def check(self) -> None:
        """Raise the error of a body that could not be taken whole."""
        if self._error is not None:
            raise self._error

    def refuse(self, error: DrumError) -> None:
        """Take no more, drop what is there and raise `error` when the core asks for the data."""
        self._error = error
        self.close()

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the request body is larger than the limit of {self._limit} bytes; "
            "send less, or raise DRUM_FASTAPI_MAX_UPLOAD_SIZE"
        )
