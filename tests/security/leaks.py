"""Requests with a mark wherever a client can put one, and all that a server tells of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.operations.raw_http import PATIENCE, RawConnection

#: `zq`, the place, the number of the request, `zq`: found in any text, whatever stands around it
MARK = re.compile(rb"zq([a-z]+)(\d+)zq", re.IGNORECASE)
_numbers = itertools.count(1)

CSV = "text/csv"
FORM = "multipart/form-data; boundary=b"


@dataclass(frozen=True)
class Case:
    """A request and the status of its answer; `{place}` in its texts becomes a mark.

    `raw` lines come instead of a request line; `stalls` leaves the head without its end.
    """

    status: int
    line: str = "POST /predict/?{query}"
    headers: tuple[str, ...] = ()
    body: str = "a,{column}\n1,{cell}\n"
    content_type: str = CSV
    version: str = "HTTP/1.1"
    stalls: bool = False

    def request(self) -> bytes:
        """Its bytes, with marks that no other request has, from a client of its own."""
        number = next(_numbers)
        marks = {place: f"zq{place}{number}zq" for place in PLACES}
        body = self.body.format(**marks)
        lines = (
            f"{self.line} {self.version}",
            "Host: localhost",
            "Connection: close",
            f"X-Forwarded-For: 10.0.{number // 250}.{number % 250 + 1}",
            f"Content-Type: {self.content_type}",
            *(f"Content-Length: {len(body)}",) * ("Transfer-Encoding" not in "".join(self.headers)),
            "Authorization: Bearer {authorization}",
            "Cookie: session={cookie}",
            "X-API-Key: {apikey}",
            "X-Custom: {header}",
            *self.headers,
        )
        end = "" if self.stalls else "\r\n\r\n" + body
        return ("\r\n".join(lines).format(**marks) + end).encode()


PLACES = (
    *("query", "column", "cell", "filename", "field", "authorization", "cookie", "apikey"),
    *("method", "header", "path", "agent", "referer", "type", "encoding", "parameter"),
)
PART = '--b\r\nContent-Disposition: form-data; name="{}"; filename="{}"\r\n\r\n{}\r\n'
FORM_BODY = (
    PART.format("X", "{filename}.csv", "a,{column}\n1,{cell}\n")
    + PART.format("{field}", "{filename}.txt", "{cell}")
    + "--b--\r\n"
)

#: What every server type answers.
CASES = {
    "prediction": Case(200),
    "form": Case(200, body=FORM_BODY, content_type=FORM),
    "probe": Case(200, "GET /livez?{query}"),
    "unknown path": Case(404, "POST /{path}?{query}"),
    "method": Case(405, "DELETE /predict/?{query}"),
    "direct access": Case(400, "POST /directAccess/v1/{path}?{query}"),
    "chat": Case(
        404,
        "POST /chat/completions?{query}",
        body='{{"messages": "{cell}"}}',
        content_type="application/json",
    ),
    "wrong type of a chat": Case(415, "POST /chat/completions?{query}"),
    "too large": Case(413, body="a\n{cell}\n" + "1\n" * 20_000),
    "content encoding": Case(415, headers=("Content-Encoding: {encoding}",)),
    "content type": Case(422, content_type="text/{type}; charset={parameter}"),
    "broken CSV": Case(422, body='a,b\n1,"{cell}\n'),
    "surplus field": Case(422, body="a,b\n1,2,{cell}\n"),
    "not UTF-8": Case(422, content_type="text/mtx", body="%%MatrixMarket {cell}\n{cell}\n"),
    "broken JSON": Case(
        422, body='{{"{column}": {cell}', content_type="application/json; orient=split"
    ),
    "double key": Case(
        422,
        body='[{{"{column}": 1, "{column}": "{cell}"}}]',
        content_type="application/json; orient=records",
    ),
    "no Parquet": Case(422, body="PAR1{cell}PAR1", content_type="application/x-parquet"),
    "no Arrow": Case(
        422, body="ARROW1{cell}ARROW1", content_type="application/vnd.apache.arrow.file"
    ),
    "cut form": Case(422, body=FORM_BODY[:-9], content_type=FORM),
    "wrong route": Case(422, "POST /transform/?{query}"),
    "hook fails": Case(500, body="fail,{column}\n1,{cell}\n"),
    "hook tells a secret": Case(500, body="login,{column}\n1,{cell}\n"),
    "wrong output": Case(500, body="wrong,{column}\n1,{cell}\n"),
    "agent": Case(200, headers=("User-Agent: {agent}", "Referer: {referer}")),
}
#: What the guard in front of the production servers answers.
GUARDED = {
    "no colon": Case(400, headers=("Authorization Bearer {header}",)),
    "blank before the colon": Case(400, headers=("X-Other {header}: {header}",)),
    "folded header": Case(400, headers=(" {header}",)),
    "control character": Case(400, headers=("X-Other: {header}\x01",)),
    "two Hosts": Case(400, headers=("Host: {header}",)),
    "bad target": Case(400, "POST {path}?{query}"),
    "bad chunk": Case(400, headers=("Transfer-Encoding: chunked",), body="{cell}\r\n"),
    "bad trailer": Case(
        400, headers=("Transfer-Encoding: chunked",), body="0\r\n{cell} {cell}\r\n\r\n"
    ),
    "slow head": Case(408, stalls=True),
    "long target": Case(414, "GET /{path}" + "x" * 5000),
    "expectation": Case(417, headers=("Expect: {header}",)),
    "large header": Case(431, headers=("X-Other: {header}" + "x" * 9000,)),
    "unknown coding": Case(501, headers=("Transfer-Encoding: {header}, chunked",)),
    "small letters": Case(501, "post{method} /predict/?{query}"),
    "version": Case(505, version="HTTP/2.0"),
}


@dataclass
class Evidence:
    """All that a server has told: answers by case, pages, log, what it sent to the collector."""

    answers: dict[str, bytes] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)
    log: bytes = b""
    telemetry: list[bytes] = field(default_factory=list)

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Everything, by the name of its place."""
        yield from ((f"answer: {name}", text) for name, text in self.answers.items())
        yield from ((f"page: {path}", text) for path, text in self.pages.items())
        yield from (("log", line) for line in self.log.splitlines())
        yield from (("telemetry", item) for item in self.telemetry)


def ask(port: int, case: Case) -> bytes:
    """The whole answer to a case."""
    with RawConnection(port, PATIENCE) as connection:
        connection.send(case.request())
        return connection.read_until_closed()
