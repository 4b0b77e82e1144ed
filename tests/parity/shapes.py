"""The request shapes of the grid: every request of the contract's cases, and some more.

The contract's cases meet the model that they were written for; here every model meets all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tests.contract.cases.all_cases import CASES
from tests.contract.exchanges import Request
from tests.parity.wire import Sent

#: Larger ones are for the tests of limits.
LARGEST = 50_000
ROWS = b"a,b\n1,0\n2,1\n"
METHODS = (b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"PATCH", b"DELETE", b"TRACE", b"BREW")


@cache
def shapes() -> tuple[Sent, ...]:
    """All of them, each once, in an order that never changes."""
    return tuple(dict.fromkeys((*_of_contract(), *_further())))


def below(prefix: str, sent: Sent) -> Sent:
    """The same request for a server with a URL prefix."""
    target = prefix.encode() + sent.target
    return Sent(sent.method, target, sent.headers, sent.body, sent.pieces)


def _of_contract() -> Iterator[Sent]:
    for case in CASES:
        request = case.request
        if len(request.body) <= LARGEST and not request.stalls:
            prefix = dict(case.served.environment).get("URL_PREFIX", "")
            sent = _sent(request, prefix.strip("/"))
            if _is_http(sent):
                yield sent


def _sent(request: Request, prefix: str) -> Sent:
    target = request.path.encode("latin-1")
    if prefix and target.startswith(f"/{prefix}/".encode()):
        target = target.removeprefix(f"/{prefix}".encode())
    headers = tuple((name.encode(), value.encode("latin-1")) for name, value in request.headers)
    return Sent(
        request.method.encode(),
        target,
        headers,
        request.body,
        len(request.pieces) * request.chunked,
    )


def _is_http(sent: Sent) -> bool:
    """May it be sent at all? In process, the contract also tries what no server would pass on."""
    visible = all(33 <= byte <= 126 for byte in sent.target)
    lengths = [value for name, value in sent.headers if name.lower() == b"content-length"]
    return visible and all(value == str(len(sent.body)).encode() for value in lengths)


def _further() -> Iterator[Sent]:
    """What clients send that the contract's cases do not have (differences of bare frameworks)."""
    csv = (b"Content-Type", b"text/csv")
    for method in METHODS:
        for path in (b"/", b"/ping", b"/predict/", b"/chat/completions", b"/models", b"/no"):
            yield Sent(method, path)
            yield Sent(method, path, (csv,), ROWS)
    for repeated in (b"X-Tone", b"Accept", b"Cookie", b"X-Request-ID"):
        yield Sent(b"POST", b"/predict/", (csv, (repeated, b"1"), (repeated, b"2")), ROWS)
    for name in (b"X_Request_ID", b"Content_Type", b"X-Underscore_Name"):
        yield Sent(b"POST", b"/predict/", (csv, (name, b"text/mtx")), ROWS)
    fields = b"&".join(b"f%d=%d" % (number, number) for number in range(2000))
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    for path in (b"/predict/", b"/predictUnstructured/", b"/transform/"):
        yield Sent(b"POST", path, (form,), fields)
        yield Sent(b"POST", path, (csv, (b"Expect", b"100-continue")), ROWS)
        for coding in (b"gzip", b"br", b"identity", b"", b"gzip, identity"):
            yield Sent(b"POST", path, (csv, (b"Content-Encoding", coding)), ROWS)
    for query in (
        b"a=1&a=2",
        b"%61=%31",
        b"a=b+c%20d",
        b"a;b=1",
        b"a=%ff",
        b"=",
        b"&&",
        b"?",
        b"a%00",
    ):
        yield Sent(b"POST", b"/predictUnstructured/?" + query, (csv,), ROWS)
        yield Sent(b"GET", b"/ping/?" + query)
