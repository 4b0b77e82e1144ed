"""`multipart/form-data` (RFC 7578): the file parts of a form, read the same on every server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from datarobot_drum.drum.errors import InvalidInput, PayloadTooLarge
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

READ_BYTES = 1024 * 1024
MAX_PARTS = 1000
#: a part without a file name is a text field; no route reads one, so large ones are mistakes
MAX_TEXT_BYTES = 500_000


@dataclass
class Part:
    """One part of a form while it is read; `body` is None for parts nobody wants."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    filename: str | None = None
    body: SpooledUploadFile | None = None
    text_bytes: int = 0


@dataclass(frozen=True)
class UploadedFile:
    """A file part."""

    filename: str
    body: SpooledUploadFile


class FormReader:
    """Collects the wanted file parts of one form; of parts with equal names the first wins."""

    def __init__(self, boundary: bytes, wanted: Iterable[str]) -> None:
        self._wanted = frozenset(wanted)
        self._part = Part()
        self._parts = 0
        self._header = (bytearray(), bytearray())
        self._ended = False
        self.files: dict[str, UploadedFile] = {}
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise InvalidInput(
                "the boundary of the multipart body is too long; use at most 70 characters"
            ) from error

    def read(self, source: BinaryIO) -> dict[str, UploadedFile]:
        """Parse all of `source`.

        Raises InvalidInput for a form that is cut off or malformed after its first part;
        rubbish without any part is a form without files.
        """
        try:
            for chunk in _chunks(source):
                self._parser.write(chunk)
        except MultipartParseError as error:
            if not self._parts:
                return {}
            raise InvalidInput(
                "the multipart body is malformed; send one part after another "
                "with the boundary of the Content-Type header"
            ) from error
        if self._parts and not self._ended:
            raise InvalidInput("the multipart body ends before its last boundary; send it again")
        return self.files

    def close(self) -> None:
        """Drop all parts, the one that was being read included."""
        for file in self.files.values():
            file.body.close()
        if self._part.body is not None:
            self._part.body.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise PayloadTooLarge(f"the form has more than {MAX_PARTS} parts; send fewer")
        self._part = Part()
        self._header = (bytearray(), bytearray())

    def _header_end(self) -> None:
        name, value = self._header
        self._part.headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_finished(self) -> None:
        part = self._part
        _, options = parse_options_header(part.headers.get(b"content-disposition", b""))
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            part.filename = options[b"filename"].decode("utf-8", "replace")
            if part.name in self._wanted and part.name not in self.files:
                part.body = SpooledUploadFile()

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.body is not None:
            part.body.feed(data[start:end])
            if part.body.wants_spill:
                part.body.spill()
        elif part.filename is None:
            part.text_bytes += end - start
            if part.text_bytes > MAX_TEXT_BYTES:
                raise PayloadTooLarge(
                    f"a text field of the form is larger than {MAX_TEXT_BYTES} bytes; "
                    "send data as a file part"
                )

    def _part_end(self) -> None:
        part = self._part
        if part.body is not None:
            self.files[part.name] = UploadedFile(part.filename or "", part.body)

    def _end(self) -> None:
        self._ended = True


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(READ_BYTES):
        yield chunk
