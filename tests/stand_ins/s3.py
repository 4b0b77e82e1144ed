"""An object store that speaks what S3 clients need to read: HeadObject, and GetObject in ranges."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

from tests.stand_ins.http_service import listening

KEY_ID = "AKIDEXAMPLE"
NOT_FOUND = b"<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>"
FORBIDDEN = b"<Error><Code>InvalidAccessKeyId</Code><Message>Who are you?</Message></Error>"


@dataclass
class Store:
    """Objects by `bucket/key`, and how often each was read; faults are switched on by tests.

    `cuts` connections break in the middle of an object before it is sent whole.
    """

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    cuts: int = 0
    checksums: dict[str, str] = field(default_factory=dict)
    told_size: int | None = None


@contextmanager
def object_store() -> Iterator[Store]:
    """A store that listens until the block ends."""
    found = Store()

    class Handler(_Handler):
        store = found

    with listening(Handler) as url:
        found.url = url
        yield found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: ClassVar[Store]

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Size, tag and checksums of an object."""
        data = self._object()
        if data is not None:
            self._send(200, len(data), self._facts(data))

    def do_GET(self) -> None:
        """An object, or a range of it."""
        data = self._object()
        if data is None:
            return
        self.store.reads.append(self.path)
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        part = data[int(found[1]) : int(found[2] or len(data)) + 1] if found else data
        headers = self._facts(data)
        if found:
            end = int(found[1]) + len(part) - 1
            headers["Content-Range"] = f"bytes {found[1]}-{end}/{len(data)}"
        self._send(206 if found else 200, len(part), headers)
        if self.store.cuts:
            self.store.cuts -= 1
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
            return
        self.wfile.write(part)

    def _object(self) -> bytes | None:
        """The object that is asked for by somebody who may read it."""
        self.store.tokens.add(self.headers.get("X-Amz-Security-Token"))
        signature = self.headers.get("Authorization", "")
        if not signature.startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/"):
            self._refuse(403, FORBIDDEN)
            return None
        data = self.store.objects.get(self.path.partition("?")[0].lstrip("/"))
        if data is None:
            self._refuse(404, NOT_FOUND)
        return data

    def _refuse(self, status: int, body: bytes) -> None:
        self._send(status, len(body), {"Content-Type": "application/xml"})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _facts(self, data: bytes) -> dict[str, str]:
        size = self.store.told_size
        facts = {
            "ETag": f'"{hashlib.md5(data).hexdigest()}"',  # noqa: S324 - it is what S3 sends
            "Last-Modified": "Mon, 23 Nov 2026 00:00:00 GMT",
            **self.store.checksums,
        }
        return facts if size is None else {**facts, "X-Told-Size": str(size)}

    def _send(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        told = headers.pop("X-Told-Size", None)
        self.send_header("Content-Length", told if told and self.command == "HEAD" else str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def sha256(data: bytes) -> str:
    """A checksum as S3 writes it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def crc32(data: bytes) -> str:
    """A checksum as S3 writes it."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
