"""Unstructured models: what the hook receives and what its return value becomes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.contract.cases import models
from tests.contract.cases.case import MULTIPART, Case, form, post

UNSTRUCTURED = models.UNSTRUCTURED
PATH = "/predictUnstructured/"
PLAIN = "text/plain; charset=utf-8"


def _do(name: str, **fields: Any) -> Case:
    path = f"{PATH}?do={quote(name)}"
    return post(f"unstructured: {name}", UNSTRUCTURED, path, b"abc", "text/plain", **fields)


def _described(
    id: str,
    body: bytes,
    type: str | None,
    kind: str,
    keywords: dict[str, str],
    **facts: Any,
) -> Case:
    expected = {
        "type": kind,
        "length": len(body),
        "keywords": keywords,
        "query": {"do": ["describe"]},
        "first": None,
        "x-tone": facts.pop("tone", None),
    }
    return post(
        f"hook gets {id}",
        UNSTRUCTURED,
        f"{PATH}?do=describe",
        body,
        type,
        body_is=json.dumps(expected, sort_keys=True).encode(),
        content_type=PLAIN,
        **facts,
    )


def _received() -> Iterator[Case]:
    utf8 = {"charset": "utf-8"}
    for type in (None, ""):
        keywords = {"mimetype": "text/plain", **utf8}
        yield _described(f"text for the type {type!r}", b"abc", type, "str", keywords)
    for type in ("text/plain", "text/csv", "application/json", "text/html"):
        yield _described(f"text for {type}", b"abc", type, "str", {"mimetype": type, **utf8})
    for type in ("image/png", "application/xml", "application/x-www-form-urlencoded"):
        yield _described(f"bytes for {type}", b"a=1", type, "bytes", {"mimetype": type})
    upload = form(("X", "x.csv", b"a\n1\n"))
    yield _described(
        "a form unread", upload, MULTIPART, "bytes", {"mimetype": "multipart/form-data"}
    )
    for type in ("text/plain; charset=latin1", 'text/plain;charset="latin1"'):
        keywords = {"mimetype": "text/plain", "charset": "latin1"}
        yield _described(f"text of {type}", b"h\xe9", type, "str", keywords)
    keywords = {"mimetype": "application/xml", "charset": "latin1"}
    yield _described(
        "bytes with a charset", b"<\xe9>", "application/xml; charset=latin1", "bytes", keywords
    )
    plain = {"mimetype": "text/plain", **utf8}
    yield _described_query(plain)
    yield _described(
        "a header in Title-Case",
        b"",
        "text/plain",
        "str",
        plain,
        tone="soft",
        send={"x-TONE": "soft"},
    )


def _described_query(keywords: dict[str, str]) -> Case:
    facts = {
        "type": "str",
        "length": 0,
        "keywords": keywords,
        "query": {"do": ["describe"], "k": ["1", "2"], "e": [""]},
        "first": "1",
        "x-tone": None,
    }
    path = f"{PATH}?do=describe&k=1&k=2&e="
    body = json.dumps(facts, sort_keys=True).encode()
    return post("hook gets the query", UNSTRUCTURED, path, b"", "text/plain", body_is=body)


def _echoes() -> Iterator[Case]:
    for path in (PATH, "/predictionsUnstructured/"):
        yield post(
            f"echo at {path}",
            UNSTRUCTURED,
            path,
            b"abc",
            "text/plain",
            body_is=b"abc",
            content_type=PLAIN,
        )
    yield post(
        "echo of bytes",
        UNSTRUCTURED,
        PATH,
        b"\0\xff",
        "application/octet-stream",
        body_is=b"\0\xff",
        content_type="application/octet-stream",
    )
    yield post(
        "echo of nothing", UNSTRUCTURED, PATH, b"", "text/plain", body_is=b"", content_type=PLAIN
    )
    yield post(
        "echo in pieces", UNSTRUCTURED, PATH, b"abcd", "text/plain", chunked=True, body_is=b"abcd"
    )
    yield post("text model with the hook", models.TEXT, PATH, b"abc", "text/plain", body_is=b"cba")
    yield post(
        "text that is no text", UNSTRUCTURED, PATH, b"\xff", "text/plain", status=400, says="utf-8"
    )
    yield post(
        "text of an unknown charset",
        UNSTRUCTURED,
        PATH,
        b"a",
        "text/plain; charset=klingon",
        status=415,
        message="unknown encoding: klingon; use a charset such as utf-8",
    )
    yield post(
        "compressed text",
        UNSTRUCTURED,
        PATH,
        b"a",
        "text/plain",
        status=415,
        says="gzip",
        send={"Content-Encoding": "gzip"},
    )
    yield _do("host", body_is=b"testserver")


def _returned() -> Iterator[Case]:
    json_type = "application/json; charset=utf-8"
    for name, body, content_type in (
        ("snow", "\u2603".encode(), PLAIN),
        ("empty", b"", PLAIN),
        ("none", b"", PLAIN),
        ("bytes", b"\x00\xff", "application/octet-stream"),
        ("json", b"{}", json_type),
        ("latin", b"\xe9", "text/plain; charset=latin1"),
        ("utf-16", "\xe9".encode("utf-16"), "text/plain; charset=utf-16"),
        ("picture", b"\x89PNG", "image/png"),
        ("page", b"<p>", "text/html; charset=utf-8"),
        ("none of a type", b"", json_type),
        ("no options", b"plain", PLAIN),
        ("other options", b"x", PLAIN),
    ):
        yield _do(name, body_is=body, content_type=content_type, absent_headers=("X-A",))


def _faulty() -> Iterator[Case]:
    single = (
        "In unstructured mode single return value can be of type str/bytes, but received <class "
    )
    for name, message in (
        ("dict", f"{single}'dict'>"),
        ("number", f"{single}'int'>"),
        ("list", f"{single}'list'>"),
        (
            "triple",
            (
                "In unstructured mode predictions of type tuple must have length = 2, "
                "but received length = 3"
            ),
        ),
        (
            "bad pair",
            (
                "In unstructured mode tuple return value must be of type (str/bytes, dict) "
                "but received (<class 'str'>, <class 'str'>)"
            ),
        ),
        ("bad charset", "unknown encoding: klingon"),
        ("fail", "cannot read this"),
        ("leave", "Model 'score_unstructured' hook failed. Exception: SystemExit(9)"),
    ):
        yield _do(name, status=500, message=message, absent_headers=("X-Drum-User-Http-Error",))
    marked = {"X-Drum-User-Http-Error": "true"}
    yield _do("refuse", status=404, json={"message": "go away"}, reply_headers=marked)
    yield _do("refuse by default", status=400, json={"message": "bad"}, reply_headers=marked)


CASES = (*_received(), *_echoes(), *_returned(), *_faulty())
