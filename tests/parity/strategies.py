"""Requests that hypothesis makes: every kind, with its share and the model that it is sent to."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st
from tests.contract.serving import Served
from tests.parity.served import MIRROR, SET_UP, WITNESS
from tests.parity.tables import (
    JSON_VALUES,
    PIECES,
    TABLES,
    content_types,
    csv_bodies,
    matrices,
)
from tests.parity.wire import Fields, Sent

from datarobot_drum.drum.root_predictors.routes import ROUTES

CSV = (b"Content-Type", b"text/csv")
ROWS = b"a,b\n1,0\n2,1\n"
METHODS = st.one_of(
    st.sampled_from([b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"PATCH", b"DELETE", b"TRACE"]),
    st.from_regex(r"[A-Z][A-Z0-9!#$%&'*+.^_`|~-]{0,9}", fullmatch=True)
    .filter(lambda word: word != "CONNECT")
    .map(str.encode),
)

# -- forms

PART_NAMES = st.sampled_from(["X", "X", "X", "y", "X.colnames", "x", "", "note", "\u2603", None])
FILE_NAMES = st.sampled_from(
    [None, "x.csv", "x.csv", "x.mtx", "X.MTX", "", "a b.csv", "\u2603.csv", 'q".csv', "../x", "x;y"]
)
CONTENTS = st.one_of(csv_bodies(), matrices(), st.just(ROWS), st.binary(max_size=9))
BOUNDARIES = st.one_of(
    st.sampled_from(["frontier", "-", "a b", "x" * 70, "x" * 71, "--", "'()+_,-./:=?"]),
    st.text("abcXYZ019'()+_,-./:=?", min_size=1, max_size=12),
)
HEAD_LINES = st.sampled_from(
    [
        *("Content-Type: text/csv", "Content-Type: text/mtx", "content-type:", "X-Other: 1"),
        *("Content-Transfer-Encoding: base64", "Content-Length: 3", "no colon", ": x"),
        "Content-Disposition: form-data; name=X",
    ]
)


@st.composite
def parts(draw: st.DrawFn) -> bytes:
    """One part with its head, without the boundary."""
    name, filename = draw(PART_NAMES), draw(FILE_NAMES)
    disposition = draw(st.sampled_from(["form-data"] * 6 + ["attachment", "FORM-DATA", ""]))
    words = [disposition]
    words += [] if name is None else [f'name="{name}"']
    words += [] if filename is None else [f'filename="{filename}"']
    if draw(st.integers(0, 9)) == 0:
        words.append("filename*=UTF-8''%E2%98%83.mtx")
    if draw(st.integers(0, 9)) == 0:
        words.reverse()
    lines = ["Content-Disposition: " + "; ".join(words), *draw(st.lists(HEAD_LINES, max_size=1))]
    if draw(st.integers(0, 9)) == 0:
        lines.pop(0)
    return "\r\n".join([*lines, "", ""]).encode() + draw(CONTENTS)


#: What is done to a form that would be right.
BREAKS = ("none",) * 6 + ("cut", "no end", "bare LF", "preamble", "epilogue", "twice", "other")


@st.composite
def forms(draw: st.DrawFn) -> Sent:
    """A form for the routes that read one: parts missing, in any order, broken boundaries."""
    boundary = draw(BOUNDARIES)
    found = draw(st.lists(parts(), max_size=3))
    mark = b"--" + boundary.encode()
    body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in found) + mark + b"--\r\n"
    how = draw(st.sampled_from(BREAKS))
    if how == "cut":
        body = body[: draw(st.integers(0, len(body)))]
    body = {
        "no end": body.removesuffix(mark + b"--\r\n"),
        "bare LF": body.replace(b"\r\n", b"\n"),
        "preamble": b"before\r\n" + body,
        "epilogue": body + b"after\r\n",
        "twice": body + body,
    }.get(how, body)
    told = "other" if how == "other" else boundary
    word = draw(st.sampled_from([told, f'"{told}"', told]))
    kind = draw(st.sampled_from(["multipart/form-data"] * 5 + ["multipart/mixed", "MULTIPART/x"]))
    parameter = draw(st.sampled_from([f"; boundary={word}"] * 6 + ["", "; Boundary=" + word]))
    path = draw(st.sampled_from([b"/predict/", b"/invocations", b"/transform/"]))
    headers = ((b"Content-Type", f"{kind}{parameter}".encode()),)
    return Sent(b"POST", path, headers, body, draw(PIECES))


# -- targets and headers

PATHS = sorted({path for route in ROUTES for path in route.all_paths} | {"/no", "/docs", "/"})
VISIBLE = "".join(chr(code) for code in range(33, 127) if chr(code) not in "#")
QUERY_TEXT = st.one_of(
    st.text(VISIBLE, max_size=8), st.binary(max_size=4).map(lambda data: quote_from_bytes(data))
)
CHANGES = ("none",) * 5 + ("encode", "double", "case", "more", "less", "dots", "other", "semicolon")


@st.composite
def paths(draw: st.DrawFn) -> str:
    """The path of a route, spelled in another way."""
    path = draw(st.sampled_from(PATHS)).replace("{subpath}", draw(st.sampled_from(["", "a/b"])))
    at = draw(st.integers(0, len(path) - 1))
    how = draw(st.sampled_from(CHANGES))
    changed = {
        "encode": f"{path[:at]}%{ord(path[at]):02x}{path[at + 1 :]}",
        "double": f"{path[:at]}/{path[at:]}",
        "case": path.swapcase(),
        "more": path + "/",
        "less": path[: at or 1],
        "dots": f"/x/..{path}",
        "semicolon": f"{path};x=1",
    }.get(how, path)
    if how == "other":
        changed = "/" + draw(QUERY_TEXT).replace("?", "")
    return changed if changed.startswith("/") else f"/{changed}"


QUERIES = st.one_of(
    st.just(""),
    st.lists(QUERY_TEXT, min_size=1, max_size=4).map(lambda words: "?" + "&".join(words)),
)
HEADER_TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=9
).map(lambda text: text.strip().encode("latin-1"))
HEADER_NAMES = st.one_of(
    st.sampled_from(
        [
            *(b"X-Request-ID", b"x-request-id", b"X_Request_ID", b"Accept", b"Origin", b"Cookie"),
            *(b"Accept-Encoding", b"Content-Encoding", b"Authorization", b"User-Agent", b"Range"),
            *(b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"Forwarded", b"TE"),
            *(b"Access-Control-Request-Method", b"Access-Control-Request-Headers", b"Via"),
            *(b"X-HTTP-Method-Override", b"If-None-Match", b"traceparent", b"Content-Language"),
        ]
    ),
    st.from_regex(r"[A-Za-z][A-Za-z0-9_.!~-]{0,11}", fullmatch=True).map(str.encode),
)
#: They decide where a request ends, which is for the kind of malformed requests.
FRAMING = re.compile(
    rb"(content.length|transfer.encoding|host|connection|expect|upgrade|content.type|keep.alive)\Z",
    re.IGNORECASE,
)
HEADER_VALUES = st.one_of(
    st.sampled_from(
        [
            *(b"gzip", b"identity", b"https://app.example", b"https://evil.example", b"*/*", b"*"),
            *(b"POST", b"content-type", b"203.0.113.7", b"bytes=0-1", b"null", b"", b"x" * 200),
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ]
    ),
    HEADER_TEXT,
)
HEADERS: st.SearchStrategy[Fields] = st.lists(
    st.tuples(HEADER_NAMES.filter(lambda name: not FRAMING.match(name)), HEADER_VALUES), max_size=4
).map(tuple)
BODIES = st.sampled_from([b"", b"", ROWS, b"{}", b"\xff\x00"])


def _target(path: str, query: str, prefix: str = "") -> bytes:
    return (prefix + path + query).encode("latin-1")


@st.composite
def targets(draw: st.DrawFn, prefix: str = "") -> Sent:
    """Any method, path and query string, with and without a body."""
    has_type = draw(st.booleans())
    beginning = draw(st.sampled_from([prefix] * 6 + ["", f"/{prefix}", f"{prefix}/x"]))
    target = _target(draw(paths()), draw(QUERIES), beginning)
    body = draw(BODIES)
    headers = (CSV,) if has_type else ()
    return Sent(draw(METHODS), target, headers, body, draw(PIECES) if body else 0)


@st.composite
def with_headers(draw: st.DrawFn, prefix: str = "") -> Sent:
    """A request that would be right, with any headers beside."""
    method, path = draw(
        st.sampled_from(
            [
                *(
                    (b"POST", "/predict/"),
                    (b"POST", "/chat/completions"),
                    (b"OPTIONS", "/predict/"),
                ),
                *(
                    (b"GET", "/ping/"),
                    (b"GET", "/no"),
                    (b"GET", "/info/"),
                    (b"DELETE", "/predict/"),
                ),
            ]
        )
    )
    body = ROWS if method == b"POST" else b""
    sent = draw(HEADERS)
    return Sent(method, _target(path, draw(QUERIES), prefix), (CSV, *sent), body, draw(PIECES))


# -- chat and unstructured

MESSAGES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "system"]), "content": JSON_VALUES}
        ),
        JSON_VALUES,
    ),
    max_size=2,
)
PARAMETERS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"messages": MESSAGES},
    optional={
        "stream": st.sampled_from([True, False, True, None, 1, "yes"]),
        "model": JSON_VALUES,
        "temperature": JSON_VALUES,
        "datarobot_association_id": JSON_VALUES,
        "fail-on-purpose": st.just(1),
    },
)


@st.composite
def chats(draw: st.DrawFn) -> Sent:
    """A chat, its parameters right or wrong, whole or cut off."""
    value = draw(st.one_of(PARAMETERS, PARAMETERS, JSON_VALUES))
    data = json.dumps(value, ensure_ascii=draw(st.booleans())).encode()
    if draw(st.integers(0, 7)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    kind = draw(st.sampled_from([b"application/json"] * 5 + [b"text/plain", b""]))
    path = draw(st.sampled_from([b"/chat/completions", b"/v1/chat/completions/"]))
    return Sent(b"POST", path, ((b"Content-Type", kind),), data, draw(PIECES))


@st.composite
def unstructured(draw: st.DrawFn) -> Sent:
    """Any data, query and headers for a model that tells all it was given."""
    asked = draw(st.sampled_from(["", "", "as=bytes", "as=snow", "do=fail-on-purpose"]))
    query = draw(QUERIES)
    query = f"{query}&{asked}" if query else f"?{asked}" if asked else ""
    kind = draw(st.none() | content_types())
    sent = draw(HEADERS)
    headers = sent if kind is None else ((b"Content-Type", kind), *sent)
    body = draw(st.one_of(csv_bodies(), st.binary(max_size=40)))
    path = draw(st.sampled_from(["/predictUnstructured/", "/predictionsUnstructured"]))
    return Sent(b"POST", _target(path, query), headers, body, draw(PIECES))


@st.composite
def limited(draw: st.DrawFn) -> Sent:
    """Bodies around the limit of 200 bytes, with a length or in chunks."""
    size = draw(st.integers(0, 420))
    body = (ROWS + b"1,0\n" * 110)[:size]
    target = draw(
        st.sampled_from([b"/pre/fix/predict/", b"/pre/fix/chat/completions", b"/pre/fix/no"])
    )
    return Sent(b"POST", target, (CSV, (b"Origin", b"https://app.example")), body, draw(PIECES))


@dataclass(frozen=True)
class Kind:
    """Requests of one kind: how many of a hundred, for which model, and how they are made."""

    name: str
    share: int
    served: Served
    requests: st.SearchStrategy[Sent]


KINDS = (
    Kind("CSV", 18, WITNESS, TABLES["CSV"]),
    Kind("content types", 10, WITNESS, TABLES["content types"]),
    Kind("JSON", 6, WITNESS, TABLES["JSON"]),
    Kind("Matrix Market", 5, WITNESS, TABLES["Matrix Market"]),
    Kind("Arrow and Parquet", 6, WITNESS, TABLES["Arrow and Parquet"]),
    Kind("forms", 12, WITNESS, forms()),
    Kind("methods, paths, queries", 10, WITNESS, targets()),
    Kind("headers", 8, WITNESS, with_headers()),
    Kind("chat", 8, WITNESS, chats()),
    Kind("unstructured", 8, MIRROR, unstructured()),
    Kind("settings: paths", 5, SET_UP, targets("/pre/fix")),
    Kind("settings: headers", 3, SET_UP, with_headers("/pre/fix")),
    Kind("settings: body limit", 3, SET_UP, limited()),
)
