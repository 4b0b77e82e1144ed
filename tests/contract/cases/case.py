"""A case of the HTTP contract: a request to a served model and the reply that is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.contract.exchanges import Headers, Request, plain
from tests.contract.serving import Served

CSV = "text/csv"
JSON = "application/json"
BOUNDARY = "frontier"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


class Anything:
    """Equal to whatever is compared with it; stands for values that differ from run to run."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # it equals everything

    def __repr__(self) -> str:
        return "ANYTHING"


ANYTHING = Anything()
UNCHECKED: Any = object()


@dataclass(frozen=True)
class Case:
    """One request and what must come back.

    Of the expectations only those that are given count: `json` is the whole body, `message` the
    error text after `ERROR: `, `says` a part of it, `keys` what a JSON object holds at least,
    `parts` the parts of a form (name, file name, content), `events` those of an event stream.
    """

    id: str
    served: Served
    method: str = "GET"
    path: str = "/"
    headers: Headers = ()
    body: bytes = b""
    chunked: bool = False
    stalls: bool = False
    status: int = 200
    json: Any = UNCHECKED
    message: str | None = None
    says: str | None = None
    body_is: bytes | None = None
    content_type: str | None = None
    reply_headers: Mapping[str, str] = field(default_factory=dict)
    absent_headers: tuple[str, ...] = ()
    keys: Mapping[str, Any] | None = None
    parts: tuple[tuple[str, str | None, bytes], ...] | None = None
    events: tuple[Any, ...] | None = None

    @property
    def request(self) -> Request:
        """What is sent."""
        return Request(self.method, self.path, self.headers, self.body, self.chunked, self.stalls)


def get(id: str, served: Served, path: str, **fields: Any) -> Case:
    """A case that asks for a path."""
    headers = plain(fields.pop("send", {}))
    return Case(id, served, fields.pop("method", "GET"), path, headers, **fields)


def post(
    id: str, served: Served, path: str, body: bytes, type: str | None = CSV, **fields: Any
) -> Case:
    """A case that sends a body of a type; None sends no `Content-Type`."""
    sent = {**({} if type is None else {"Content-Type": type}), **fields.pop("send", {})}
    return Case(id, served, fields.pop("method", "POST"), path, plain(sent), body, **fields)


def predict(id: str, served: Served, body: bytes, type: str | None = CSV, **fields: Any) -> Case:
    """A case of the predict route; `gives` is what `predictions` holds."""
    if "gives" in fields:
        fields["json"] = {"predictions": fields.pop("gives")}
    return post(id, served, "/predict/", body, type, **fields)


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """A form body; a part without a file name is a text field."""
    lines = []
    for name, filename, content in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'Content-Disposition: form-data; name="{name}"{file}'
        lines.append(f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n")
    return b"".join(lines) + f"--{BOUNDARY}--\r\n".encode()
