"""HTTP/1.1 requests as bytes, from the rules of RFC 9110 and RFC 9112, and their right answers.

The table of docs/SECURITY_AUDIT.md is made from them.
"""

from __future__ import annotations

from dataclasses import dataclass

BODY = b"a,b\n1,2\n"


@dataclass(frozen=True)
class Case:
    """One request; `closes` tells that the connection ends after the answer.

    With `half_closes` the client says after the request that it sends nothing more.
    """

    name: str
    section: str
    request: bytes
    status: int
    closes: bool = False
    half_closes: bool = False

    @property
    def is_refused(self) -> bool:
        """Does the server refuse it before any app sees it, or while the app reads it?"""
        return self.status in (400, 408, 413, 414, 417, 431, 501, 505)

    @property
    def ending(self) -> str:
        """What becomes of the connection, in words."""
        return ", closed" if self.is_refused or self.closes else ""


def get(*lines: bytes, target: bytes = b"/ping/", first: bytes = b"") -> bytes:
    """A GET request with these header lines, or with another first line."""
    return b"\r\n".join([first or b"GET %b HTTP/1.1" % target, *lines, b"", b""])


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A prediction with these header lines beside host and content type."""
    first = b"POST /predict/ HTTP/" + version
    return b"\r\n".join([first, HOST, b"Content-Type: text/csv", *lines, b"", b""]) + body


def sized(length: bytes, body: bytes = BODY) -> bytes:
    """A prediction with that `Content-Length`."""
    return post(b"Content-Length: " + length, body=body)


def coded(coding: bytes, body: bytes = b"") -> bytes:
    """A prediction with that `Transfer-Encoding`."""
    return post(b"Transfer-Encoding: " + coding, body=body)


def chunked(body: bytes) -> bytes:
    """A prediction whose body is already in chunks."""
    return coded(b"chunked", body)


HOST = b"Host: model.example"
CHUNKS = b"4\r\na,b\n\r\n4\r\n1,2\n\r\n0\r\n\r\n"
CLOSE = b"Connection: close"

VALID = (
    Case("GET", "9110 9.3.1", get(HOST), 200),
    Case("HEAD has no body in its answer", "9110 9.3.2", get(HOST, first=b"HEAD / HTTP/1.1"), 200),
    Case("OPTIONS of a path", "9110 9.3.7", get(HOST, first=b"OPTIONS /ping/ HTTP/1.1"), 200),
    Case("OPTIONS of the server", "9112 3.2.4", get(HOST, first=b"OPTIONS * HTTP/1.1"), 200),
    Case("method that the path does not have", "9110 9.1", get(HOST, first=b"PUT / HTTP/1.1"), 405),
    Case("method that nobody knows", "9110 9.1", get(HOST, first=b"FROBNICATE / HTTP/1.1"), 405),
    Case("one letter is a method, too", "9110 9.1", get(HOST, first=b"X /ping/ HTTP/1.1"), 405),
    Case("path that is not there", "9110 15.5.5", get(HOST, target=b"/nowhere"), 404),
    Case("query", "9112 3.2.1", get(HOST, target=b"/ping/?a=b&c=%20"), 200),
    Case("target in absolute form", "9112 3.2.2", get(HOST, target=b"http://other/ping/"), 200),
    Case("absolute form without a path", "9112 3.2.2", get(HOST, target=b"http://other"), 200),
    Case("HTTP/1.0 without Host", "9112 3.2", get(first=b"GET /ping/ HTTP/1.0"), 200, closes=True),
    Case("later minor version", "9110 2.5", get(HOST, first=b"GET /ping/ HTTP/1.2"), 200),
    Case("Connection: close", "9112 9.6", get(HOST, CLOSE), 200, closes=True),
    Case("close in a list", "9112 9.6", get(HOST, b"Connection: x, Close"), 200, closes=True),
    Case("Connection: keep-alive", "9112 9.3", get(HOST, b"Connection: keep-alive"), 200),
    Case("Host with a port", "9110 7.2", get(b"Host: model.example:8080"), 200),
    Case("Host with an IPv6 address", "9110 7.2", get(b"Host: [::1]:8080"), 200),
    Case("header names in any case", "9110 5.1", get(b"hOsT: model.example"), 200),
    Case("no blank after the colon", "9112 5", get(b"Host:model.example"), 200),
    Case("blanks around a value", "9112 5", get(b"Host: \t model.example \t"), 200),
    Case("header without a value", "9110 5.5", get(HOST, b"X-Empty:"), 200),
    Case("bytes above ASCII in a value", "9110 5.5", get(HOST, b"X-Name: caf\xc3\xa9"), 200),
    Case("header that is repeated", "9110 5.3", get(HOST, b"X-A: 1", b"X-A: 2"), 200),
    Case("100 headers", "6585 5", get(HOST, *[b"X-A: 1"] * 99), 200),
    Case("header of 8190 bytes", "6585 5", get(HOST, b"X-A: " + b"a" * 8183), 200),
    Case("request line of 4094 bytes", "9112 3", get(HOST, target=b"/ping/?" + b"a" * 4074), 200),
    Case("empty line before the request", "9112 2.2", b"\r\n" + get(HOST), 200),
    Case(
        "upgrade that is not offered",
        "9110 7.8",
        get(HOST, b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
        200,
    ),
    Case("body of a known length", "9112 6.2", sized(b"8"), 200),
    Case("Content-Length with leading zeros", "9110 8.6", sized(b"0008"), 200),
    Case(
        "body on a path that reads none",
        "9110 9.3.1",
        get(HOST, b"Content-Length: 4") + b"body",
        200,
    ),
    Case("chunks", "9112 7.1", chunked(CHUNKS), 200),
    Case("coding names in any case", "9112 7", coded(b"Chunked", CHUNKS), 200),
    Case("chunk sizes in capitals", "9112 7.1", chunked(b"0A\r\na,b\n1,2\n  \r\n0\r\n\r\n"), 200),
    Case(
        "chunk extension", "9112 7.1.1", chunked(b'8;a="b c";d\r\n' + BODY + b"\r\n0\r\n\r\n"), 200
    ),
    Case("trailer field", "9112 7.1.2", chunked(CHUNKS[:-2] + b"X-Sum: 1\r\n\r\n"), 200),
    Case(
        "HTTP/1.0 has no 100 Continue",
        "9110 10.1.1",
        post(b"Expect: 100-continue", b"Content-Length: 8", body=BODY, version=b"1.0"),
        200,
        closes=True,
    ),
)

REQUEST_LINES = (
    Case("no version", "9112 3", b"GET /ping/\r\n\r\n", 400),
    Case("two blanks", "9112 3", get(HOST, first=b"GET  /ping/ HTTP/1.1"), 400),
    Case("tab instead of a blank", "9112 3", get(HOST, first=b"GET\t/ping/ HTTP/1.1"), 400),
    Case("blank in the target", "9112 3", get(HOST, first=b"GET /pi ng/ HTTP/1.1"), 400),
    Case("blank before the method", "9112 3", get(HOST, first=b" GET /ping/ HTTP/1.1"), 400),
    Case("blank after the version", "9112 3", get(HOST, first=b"GET /ping/ HTTP/1.1 "), 400),
    Case("method that is no token", "9110 9.1", get(HOST, first=b"GE(T /ping/ HTTP/1.1"), 400),
    Case("method in small letters", "9110 9.1", get(HOST, first=b"get /ping/ HTTP/1.1"), 501),
    Case("no target", "9112 3.2", get(HOST, first=b"GET HTTP/1.1"), 400),
    Case("target without a slash", "9112 3.2", get(HOST, target=b"ping/"), 400),
    Case("target with a fragment", "9112 3.2.1", get(HOST, target=b"/ping/#a"), 400),
    Case("target with a byte above ASCII", "9112 3.2", get(HOST, target=b"/caf\xc3\xa9"), 400),
    Case("target with a NUL", "9112 3.2", get(HOST, target=b"/ping/\x00"), 400),
    Case("asterisk with GET", "9112 3.2.4", get(HOST, target=b"*"), 400),
    Case("authority with GET", "9112 3.2.3", get(HOST, target=b"model.example:80"), 400),
    Case("absolute form with a user", "9110 4.2.4", get(HOST, target=b"http://a@b/ping/"), 400),
    Case("absolute form without a host", "9110 4.2.1", get(HOST, target=b"http:///ping/"), 400),
    Case("absolute form of another scheme", "9112 3.2.2", get(HOST, target=b"ftp://a/ping/"), 400),
    Case("CONNECT", "9110 9.3.6", get(HOST, first=b"CONNECT a:80 HTTP/1.1"), 501),
    Case("CONNECT to a path", "9112 3.2.3", get(HOST, first=b"CONNECT / HTTP/1.1"), 400),
    Case("version in small letters", "9112 2.3", get(HOST, first=b"GET /ping/ http/1.1"), 400),
    Case("version of two digits", "9112 2.3", get(HOST, first=b"GET /ping/ HTTP/1.10"), 400),
    Case("HTTP/2.0", "9110 15.6.6", get(HOST, first=b"GET /ping/ HTTP/2.0"), 505),
    Case("HTTP/0.9", "9110 15.6.6", get(HOST, first=b"GET /ping/ HTTP/0.9"), 505),
    Case("preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    Case("request line of 4095 bytes", "9112 3", get(HOST, target=b"/ping/?" + b"a" * 4075), 414),
    Case("target without an end", "9110 15.5.15", b"GET /" + b"a" * 9000, 414),
    Case("greeting of TLS", "9112 2.2", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
)

FIELDS = (
    Case("no Host", "9112 3.2", get(), 400),
    Case("two Hosts", "9112 3.2", get(HOST, HOST), 400),
    Case("empty Host", "9110 4.2.1", get(b"Host:"), 400),
    Case("Host with a path", "9110 7.2", get(b"Host: a/b"), 400),
    Case("Host with a user", "9110 7.2", get(b"Host: a@b"), 400),
    Case("Host with a blank", "9110 7.2", get(b"Host: a b"), 400),
    Case("Host with a port that is none", "9110 7.2", get(b"Host: a:b"), 400),
    Case("Host with a port above 65535", "9110 7.2", get(b"Host: a:65536"), 400),
    Case("Host with half an IPv6 address", "9110 7.2", get(b"Host: [::1"), 400),
    Case("Host with a malformed IPv6 address", "9110 7.2", get(b"Host: [1:2]"), 400),
    Case("blank before the colon", "9112 5.1", get(HOST, b"X-A : 1"), 400),
    Case("folded header", "9112 5.2", get(HOST, b"X-A: 1", b" 2"), 400),
    Case("blank before the first header", "9112 2.2", get(b" X-A: 1", HOST), 400),
    Case("header without a colon", "9112 5", get(HOST, b"X-A"), 400),
    Case("header without a name", "9112 5", get(HOST, b": 1"), 400),
    Case("name that is no token", "9110 5.1", get(HOST, b"X(A: 1"), 400),
    Case("NUL in a value", "9110 5.5", get(HOST, b"X-A: 1\x002"), 400),
    Case("control character in a value", "9110 5.5", get(HOST, b"X-A: 1\x072"), 400),
    Case("bare CR in a value", "9112 2.2", get(HOST, b"X-A: 1\r2"), 400),
    Case("bare LF in a value", "9112 2.2", get(HOST, b"X-A: 1\nX-B: 2"), 400),
    Case("lines that end with LF", "9112 2.2", get(HOST).replace(b"\r\n", b"\n"), 400),
    Case(
        "two Content-Types",
        "9110 5.3",
        sized(b"8").replace(HOST, HOST + b"\r\nContent-Type: a/b"),
        400,
    ),
    Case("other expectation", "9110 10.1.1", get(HOST, b"Expect: 200-ok"), 417),
    Case("header of 8191 bytes", "6585 5", get(HOST, b"X-A: " + b"a" * 8184), 431),
    Case("101 headers", "6585 5", get(HOST, *[b"X-A: 1"] * 100), 431),
    Case("head of more than 64 KiB", "6585 5", get(HOST, *[b"X-A: " + b"a" * 8000] * 9), 431),
    Case("head without an end", "6585 5", get(HOST)[:-2] + b"X: " + b"a" * 70_000, 431),
)

BODIES = (
    Case(
        "two equal Content-Lengths", "9112 6.3", post(*[b"Content-Length: 8"] * 2, body=BODY), 400
    ),
    Case(
        "two Content-Lengths",
        "9112 6.3",
        post(b"Content-Length: 8", b"Content-Length: 9", body=BODY),
        400,
    ),
    Case("list of Content-Lengths", "9112 6.3", sized(b"8, 8"), 400),
    Case("negative Content-Length", "9110 8.6", sized(b"-8"), 400),
    Case("Content-Length with a sign", "9110 8.6", sized(b"+8"), 400),
    Case("hexadecimal Content-Length", "9110 8.6", sized(b"0x8"), 400),
    Case("Content-Length with a blank", "9110 8.6", sized(b"8 8"), 400),
    Case("Content-Length with a point", "9110 8.6", sized(b"8.0"), 400),
    Case("empty Content-Length", "9110 8.6", sized(b""), 400),
    Case("Content-Length beyond 64 bits", "9110 15.5.14", sized(b"9" * 30), 413),
    Case("Content-Length beyond the limit", "9110 15.5.14", sized(b"9" * 15), 413, closes=True),
    Case(
        "Content-Length and chunks",
        "9112 6.1",
        post(b"Content-Length: 8", b"Transfer-Encoding: chunked", body=CHUNKS),
        400,
    ),
    Case("chunks in HTTP/1.0", "9112 6.1", chunked(CHUNKS).replace(b"/1.1", b"/1.0", 1), 400),
    Case("unknown coding", "9112 6.1", coded(b"zip, chunked", CHUNKS), 501),
    Case("gzip, then chunked", "9112 6.1", coded(b"gzip, chunked", CHUNKS), 501),
    Case("coding that is not chunked", "9112 6.3", coded(b"identity"), 400),
    Case("chunked is not the last coding", "9112 6.3", coded(b"chunked, gzip", CHUNKS), 400),
    Case("chunked twice", "9112 6.1", coded(b"chunked, chunked", CHUNKS), 400),
    Case(
        "chunked in two headers",
        "9112 6.1",
        post(*[b"Transfer-Encoding: chunked"] * 2, body=CHUNKS),
        400,
    ),
    Case("coding that is no token", "9112 6.1", coded(b'"chunked"', CHUNKS), 400),
    Case("coding with a vertical tab", "9112 6.1", coded(b"\x0bchunked", CHUNKS), 400),
    Case("chunk size that is no number", "9112 7.1", chunked(b"x\r\n"), 400),
    Case("negative chunk size", "9112 7.1", chunked(b"-1\r\n"), 400),
    Case("chunk size with 0x", "9112 7.1", chunked(b"0x8\r\n" + BODY + b"\r\n0\r\n\r\n"), 400),
    Case("chunk size beyond 64 bits", "9112 7.1", chunked(b"f" * 17 + b"\r\n"), 400),
    Case("no chunk size", "9112 7.1", chunked(b"\r\n"), 400),
    Case(
        "blank before a chunk size", "9112 7.1", chunked(b" 8\r\n" + BODY + b"\r\n0\r\n\r\n"), 400
    ),
    Case(
        "chunk size that ends with LF", "9112 2.2", chunked(b"8\n" + BODY + b"\r\n0\r\n\r\n"), 400
    ),
    Case("chunk without a line end", "9112 7.1", chunked(b"8\r\n" + BODY + b"0\r\n\r\n"), 400),
    Case("chunk that is longer than its size", "9112 7.1", chunked(b"7\r\n" + BODY + b"\r\n"), 400),
    Case("extension that is no token", "9112 7.1.1", chunked(b"8;(\r\n" + BODY), 400),
    Case("extension of 300 bytes", "9112 7.1.1", chunked(b"8;" + b"a" * 300 + b"\r\n" + BODY), 400),
    Case("bare CR in an extension", "9112 7.1.1", chunked(b"8;a\rb\r\n" + BODY), 400),
    Case(
        "trailer that would change the length",
        "9112 6.5.1".replace("9112", "9110"),
        chunked(CHUNKS[:-2] + b"Content-Length: 1\r\n\r\n"),
        400,
    ),
    Case("malformed trailer", "9112 7.1.2", chunked(CHUNKS[:-2] + b"X A\r\n\r\n"), 400),
    Case("trailer that ends with LF", "9112 2.2", chunked(CHUNKS[:-2] + b"X-A: 1\n\n"), 400),
    Case("chunks that are cut off", "9112 8", chunked(b"8\r\na,b"), 400, half_closes=True),
    Case("no last chunk", "9112 8", chunked(b"8\r\n" + BODY + b"\r\n"), 400, half_closes=True),
    Case("body that is cut off", "9112 8", sized(b"9"), 400, half_closes=True),
)

CASES = (*VALID, *REQUEST_LINES, *FIELDS, *BODIES)
