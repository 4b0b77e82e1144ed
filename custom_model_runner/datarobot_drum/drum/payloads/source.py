"""Where a table comes from: bytes or a file, with what the sender said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import SEEK_END, BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import pandas as pd

_NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})


class Payload:
    """Data as it was sent, not yet read.

    A file must be seekable and stays the caller's: it is rewound, never closed.
    `media_type` is lower-case without parameters; `raw_content_type` is only for messages, and
    `from_request` tells an HTTP request from a file of batch scoring. Whoever sets `keeps_table`
    finds in `table` what was read, as it was before hooks changed it.
    """

    keeps_table = False
    table: pd.DataFrame | None = None

    def __init__(
        self,
        content: bytes | BinaryIO,
        *,
        media_type: str | None = None,
        charset: str | None = None,
        column_names: Sequence[str] | None = None,
        parameters: Mapping[str, str] | None = None,
        raw_content_type: str | None = None,
        from_request: bool = False,
    ) -> None:
        self._content = content
        self._bytes = content if isinstance(content, bytes) else None
        self.media_type = media_type
        self.charset = charset
        self.column_names = None if column_names is None else tuple(column_names)
        self.parameters = _NO_PARAMETERS if parameters is None else parameters
        self.raw_content_type = raw_content_type
        self.from_request = from_request

    def bytes(self) -> bytes:
        """All of it; a file is read once and then kept."""
        if self._bytes is None:
            self._bytes = self.open().read()
        return self._bytes

    def open(self) -> BinaryIO:
        """A binary view that stands at the start; for a file it is that file, rewound."""
        if isinstance(self._content, bytes):
            return BytesIO(self._content)
        self._content.seek(0)
        return self._content

    def keep(self, table: Any) -> None:
        """Remember what was read, if somebody wants it and it is a table."""
        if self.keeps_table and hasattr(table, "memory_usage"):
            self.table = table.copy(deep=False)

    @property
    def size(self) -> int:
        """Number of bytes."""
        if self._bytes is not None:
            return len(self._bytes)
        return self.open().seek(0, SEEK_END)
