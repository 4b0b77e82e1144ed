"""Data of any form: what the hook is given, and what its answer means."""

from __future__ import annotations

from typing import Any

import pytest

from datarobot_drum.drum.errors import InvalidOutput, MalformedRequest, UnsupportedMediaType
from datarobot_drum.drum.predictors.unstructured import decoded, is_text, keywords, to_reply


@pytest.mark.parametrize(
    ("mimetype", "charset", "expected"),
    [
        (None, None, {"mimetype": "text/plain", "charset": "utf-8"}),
        ("", "latin1", {"mimetype": "text/plain", "charset": "utf-8"}),
        ("text/csv", None, {"mimetype": "text/csv", "charset": "utf-8"}),
        ("text/csv", "latin1", {"mimetype": "text/csv", "charset": "latin1"}),
        ("image/png", None, {"mimetype": "image/png"}),
        ("image/png", "latin1", {"mimetype": "image/png", "charset": "latin1"}),
    ],
)
def test_hook_learns_type_and_charset(
    mimetype: str | None, charset: str | None, expected: dict[str, str]
) -> None:
    assert keywords(mimetype, charset) == expected


@pytest.mark.parametrize(
    ("mimetype", "expected"),
    [
        ("text/anything", True),
        ("Application/JSON", True),
        ("TEXT/html", True),
        ("application/xml", False),
        ("application/json2", False),
    ],
)
def test_text_is_known_by_its_media_type(mimetype: str, expected: bool) -> None:
    assert is_text(mimetype) is expected


def test_text_is_decoded_and_other_data_is_not() -> None:
    assert decoded(b"\xe9", {"mimetype": "text/plain", "charset": "latin1"}) == "é"
    assert decoded(b"\xe9", {"mimetype": "image/png"}) == b"\xe9"


def test_text_in_another_charset_than_declared_is_malformed() -> None:
    with pytest.raises(MalformedRequest) as raised:
        decoded(b"ab\xff", {"mimetype": "text/plain", "charset": "utf-8"})
    assert str(raised.value) == (
        "the body is not utf-8 text: invalid start byte at position 2; "
        "send the right charset in Content-Type"
    )


@pytest.mark.parametrize("charset", ["no-such", "hex", "undefined", "a\0b"])
def test_charset_that_is_none_is_not_supported(charset: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="use a charset such as utf-8"):
        decoded(b"\xff\xff", {"mimetype": "text/plain", "charset": charset})


@pytest.mark.parametrize(
    ("returned", "body", "content_type"),
    [
        ("é", "é".encode(), "text/plain; charset=utf-8"),
        (b"\xff", b"\xff", "application/octet-stream"),
        (None, b"", "text/plain; charset=utf-8"),
        (("é", {"charset": "latin1"}), b"\xe9", "text/plain; charset=latin1"),
        (("{}", {"mimetype": "application/json"}), b"{}", "application/json; charset=utf-8"),
        (("a", {"charset": "utf-16-le"}), b"a\0", "text/plain; charset=utf-16-le"),
        ((b"x", {"mimetype": "image/png"}), b"x", "image/png"),
        ((b"x", {"mimetype": "a/b", "charset": "utf-8"}), b"x", "a/b; charset=utf-8"),
        ((None, {"mimetype": "application/json"}), b"", "application/json; charset=utf-8"),
        (("a", None), b"a", "text/plain; charset=utf-8"),
        (("a", {"mimetype": None, "status": 500}), b"a", "text/plain; charset=utf-8"),
    ],
)
def test_answer_is_completed(returned: Any, body: bytes, content_type: str) -> None:
    reply = to_reply(returned)
    assert (reply.encoded(), reply.content_type) == (body, content_type)


@pytest.mark.parametrize("returned", [5, {}, [], 1.0, object()])
def test_answer_of_another_type_is_refused(returned: Any) -> None:
    with pytest.raises(InvalidOutput) as raised:
        to_reply(returned)
    assert str(raised.value) == (
        "In unstructured mode single return value can be of type str/bytes, "
        f"but received {type(returned)}"
    )


@pytest.mark.parametrize("returned", [(), ("a",), ("a", {}, 1)])
def test_answer_that_is_no_pair_is_refused(returned: Any) -> None:
    with pytest.raises(InvalidOutput, match=f"but received length = {len(returned)}$"):
        to_reply(returned)


@pytest.mark.parametrize("returned", [(5, {}), ("a", "b"), ("a", 5)])
def test_answer_that_is_a_wrong_pair_is_refused(returned: Any) -> None:
    with pytest.raises(InvalidOutput, match=r"must be of type \(str/bytes, dict\) but received"):
        to_reply(returned)


@pytest.mark.parametrize("charset", ["no-such", 5, "a\0b"])
def test_answer_in_a_charset_that_is_none_is_refused(charset: Any) -> None:
    with pytest.raises(InvalidOutput, match="unknown encoding: "):
        to_reply(("a", {"charset": charset}))


@pytest.mark.parametrize(
    ("text", "charset"), [("€", "latin1"), ("\ud800", "utf-8"), ("a", "hex"), ("é", "ascii")]
)
def test_answer_that_its_charset_cannot_hold_is_the_model_s_fault(text: str, charset: str) -> None:
    reply = to_reply((text, {"charset": charset}))
    with pytest.raises(InvalidOutput, match=f"cannot be written as {charset}; return another"):
        reply.encoded()
