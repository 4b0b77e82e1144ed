"""What is wrong with the head of an HTTP/1.1 request, by RFC 9110 and RFC 9112 and by our limits.

Both production servers check every head with it before their own parser sees a byte, so that they
give the same verdict. Pure functions on bytes.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from datarobot_drum.drum.errors import RefusedRequest

#: Bytes of a request line, without its line end; more gets 414.
MAX_REQUEST_LINE = 4094
#: Bytes of one header with its line end, and headers of one request; more gets 431.
MAX_FIELD = 8190
MAX_FIELDS = 100
#: Bytes of a whole head; more gets 431.
MAX_HEAD = 64 * 1024
#: Digits of a `Content-Length`; no server takes a body of that size.
MAX_LENGTH_DIGITS = 18

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([!-~]+) HTTP/([0-9])\.([0-9])")
FIELD = re.compile(rb"(" + TOKEN + rb"):[\t -~\x80-\xff]*")
# possessive: a hostile head must not make it try again
FIELDS = re.compile(rb"(?:" + TOKEN + rb"+:[\t -~\x80-\xff]*+\r\n)*+")
AUTHORITY = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]*))?"
)
ABSOLUTE = re.compile(rb"https?://([^/?#]*)(/?[^#]*)", re.IGNORECASE)
CODINGS = re.compile(rb"[ \t]*" + TOKEN + rb"[ \t]*(?:,[ \t]*" + TOKEN + rb"[ \t]*)*")

#: The fields that say how a request is read, and their values with the blanks around them.
DECIDING = re.compile(
    rb"^(host|content-length|content-type|expect|transfer-encoding|connection|upgrade):([^\r]*)",
    re.IGNORECASE | re.MULTILINE,
)
#: Those of them of which there may be several.
LISTS = frozenset({b"transfer-encoding", b"connection", b"upgrade"})


@dataclass(slots=True)
class Head:
    """A head that keeps the rules.

    `length` is that of the body, None if it comes in chunks; `closes` tells that the client wants
    no further answer on its connection. `data` is what a parser is given: the head as it came, but
    the target in origin form, the version one that we speak, and without `Upgrade`.
    """

    method: bytes
    target: bytes
    version: bytes
    length: int | None
    closes: bool
    data: bytes


def check_head(data: bytes) -> Head:
    """The head in `data`, which ends with its empty line. RefusedRequest says what is wrong."""
    if len(data) > MAX_HEAD:
        raise RefusedRequest(f"the request's head is larger than {MAX_HEAD} bytes", 431)
    line_end = data.index(b"\r\n")
    method, target, version = check_request_line(data[:line_end])
    _check_fields(data, line_end + 2)
    found = _deciding_fields(data, line_end + 2)
    origin, authority = _origin_form(method, target)
    _check_host(found.get(b"host"), version)
    length = _body_length(found, version)
    closes = False
    if b"connection" in found:
        closes = b"close" in _members(found[b"connection"])
    if b"expect" in found:
        _check_expectation(found[b"expect"])
    if origin is not target or version > b"1.1" or b"upgrade" in found:
        data = _rewritten(method, origin, authority, data)
        # a later minor version is answered as the one we speak
        version = min(version, b"1.1")
    return Head(method, origin, version, length, closes, data)


def check_request_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Method, target and version (such as `1.1`) of a request line without its line end."""
    if len(line) > MAX_REQUEST_LINE:
        raise RefusedRequest(f"the request line is longer than {MAX_REQUEST_LINE} bytes", 414)
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        raise RefusedRequest("the request line is malformed; it must be: METHOD /path HTTP/1.1")
    method, target, major, minor = match.groups()
    if major != b"1":
        raise RefusedRequest("this server speaks HTTP/1.1 and HTTP/1.0", 505)
    if method != method.upper():
        # a framework would take `get` for GET, which it is not
        raise RefusedRequest("methods are case-sensitive, and none has small letters", 501)
    return method, target, b"1." + minor


def check_field(line: bytes) -> bytes:
    """The name, in lower case, of a header without its line end."""
    if len(line) + 2 > MAX_FIELD:
        raise RefusedRequest(f"a header is larger than {MAX_FIELD} bytes", 431)
    match = FIELD.fullmatch(line)
    if match is not None:
        return match[1].lower()
    if line.startswith((b" ", b"\t")):
        raise RefusedRequest("a header is folded over several lines; send it in one")
    name, colon, _ = line.partition(b":")
    if not colon:
        # what it is then may be a secret, as in: Authorization Bearer ...
        raise RefusedRequest("a header has no colon; it must be: Name: value")
    start = re.match(TOKEN, name)
    shown = (start[0] if start else b"")[:40].decode()
    if start is None or start[0] != name:
        raise RefusedRequest(f"a header is malformed after {shown!r}; it must be: Name: value")
    raise RefusedRequest(f"the header {shown!r} has a control character in its value")


def _check_fields(data: bytes, start: int) -> None:
    """Refuse fields that are malformed, too many or too large."""
    if data.count(b"\r\n", start) - 1 > MAX_FIELDS:
        raise RefusedRequest(f"the request has more than {MAX_FIELDS} headers", 431)
    # all in one go, as most heads have nothing wrong
    if len(data) > MAX_FIELD or FIELDS.fullmatch(data, start, len(data) - 2) is None:
        for line in data[start:-4].split(b"\r\n"):
            check_field(line)


def _deciding_fields(data: bytes, start: int) -> dict[bytes, bytes]:
    """The fields that decide how the request is read; those of lists are joined."""
    found: dict[bytes, bytes] = {}
    for sent_name, value in DECIDING.findall(data, start):
        name = sent_name.lower()
        if name not in found:
            found[name] = value.strip(b" \t")
        elif name in LISTS:
            found[name] += b"," + value.strip(b" \t")
        else:
            raise RefusedRequest(f"the header {name.decode()!r} is there more than once")
    return found


def _origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """Path and query of a target, and the authority of one that was absolute."""
    if method == b"CONNECT":
        if not _is_authority(target):
            raise RefusedRequest("the target of CONNECT must be: host:port")
        raise RefusedRequest("this server is no proxy: CONNECT is not supported", 501)
    if b"#" in target:
        raise RefusedRequest("the request target has a fragment; send it without")
    if target.startswith(b"/"):
        return target, None
    if target == b"*":
        if method != b"OPTIONS":
            raise RefusedRequest("the request target * is for OPTIONS only")
        return b"/", None
    match = ABSOLUTE.fullmatch(target)
    if match is None or not _is_authority(match[1]):
        raise RefusedRequest("the request target is malformed; it must begin with /")
    rest = match[2]
    return (rest if rest.startswith(b"/") else b"/" + rest), match[1]


@lru_cache(maxsize=256)
def _is_authority(value: bytes) -> bool:
    match = AUTHORITY.fullmatch(value)
    if match is None:
        return False
    address, port = match.groups()
    if port and (len(port) > 5 or int(port) > 65535):
        return False
    if address is None:
        return True
    try:
        ipaddress.IPv6Address(address.decode())
    except ValueError:
        return False
    return True


def _check_host(host: bytes | None, version: bytes) -> None:
    if host is None:
        if version != b"1.0":
            raise RefusedRequest("the request has no Host header")
    elif not _is_authority(host):
        raise RefusedRequest("the Host header is malformed; it must be: name or name:port")


def _check_expectation(value: bytes) -> None:
    if value.lower() != b"100-continue":
        raise RefusedRequest("the only expectation that is understood is 100-continue", 417)


def _body_length(found: dict[bytes, bytes], version: bytes) -> int | None:
    length = found.get(b"content-length")
    coding = found.get(b"transfer-encoding")
    if coding is None:
        return 0 if length is None else _length(length)
    if version == b"1.0":
        raise RefusedRequest("HTTP/1.0 has no Transfer-Encoding")
    if length is not None:
        raise RefusedRequest("the request has both Content-Length and Transfer-Encoding")
    _check_codings(coding)
    return None


def _length(value: bytes) -> int:
    # bytes.isdigit takes ASCII digits only
    if not value.isdigit():
        raise RefusedRequest("Content-Length must be a whole number")
    if len(value.lstrip(b"0")) > MAX_LENGTH_DIGITS:
        raise RefusedRequest("the request body is larger than any that can be read", 413)
    return int(value)


def _check_codings(value: bytes) -> None:
    if value.lower() == b"chunked":
        return
    codings = _members(value) if CODINGS.fullmatch(value) else []
    # without a last `chunked` nobody can tell where the body ends
    if not codings or codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
        raise RefusedRequest("the last coding of Transfer-Encoding must be chunked, once")
    raise RefusedRequest("the only coding of Transfer-Encoding that is read is chunked", 501)


def _members(value: bytes) -> list[bytes]:
    """The members of a list, in lower case."""
    return [part.strip(b" \t") for part in value.lower().split(b",")]


def _rewritten(method: bytes, target: bytes, authority: bytes | None, data: bytes) -> bytes:
    lines = data[:-4].split(b"\r\n")
    version = b"HTTP/1.0" if lines[0].endswith(b"1.0") else b"HTTP/1.1"
    dropped = {b"upgrade"}
    first = [b" ".join((method, target, version))]
    if authority is not None:
        # the host of an absolute target replaces the header
        dropped.add(b"host")
        first.append(b"Host: " + authority)
    kept = [line for line in lines[1:] if line.partition(b":")[0].lower() not in dropped]
    return b"\r\n".join([*first, *kept, b"", b""])
