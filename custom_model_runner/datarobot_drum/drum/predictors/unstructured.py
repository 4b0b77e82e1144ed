"""Unstructured models: what the hook receives and what its return value means."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any

from datarobot_drum.drum.errors import InvalidOutput, MalformedRequest, UnsupportedMediaType

NO_HOOK = "In 'unstructured' mode hook 'score_unstructured' must be provided."

DEFAULT_TEXT = "text/plain"
DEFAULT_BYTES = "application/octet-stream"
DEFAULT_CHARSET = "utf-8"
PAIR_LENGTH = 2


@dataclass(frozen=True)
class UnstructuredReply:
    """What the hook returned, with the media type and charset it chose."""

    body: str | bytes | None
    media_type: str
    charset: str | None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def content_type(self) -> str:
        """The `Content-Type` header."""
        return (
            self.media_type
            if self.charset is None
            else f"{self.media_type}; charset={self.charset}"
        )

    def encoded(self) -> bytes:
        """The body as bytes."""
        if isinstance(self.body, bytes):
            return self.body
        charset = self.charset or DEFAULT_CHARSET
        try:
            return (self.body or "").encode(charset)
        except (LookupError, ValueError) as error:
            raise InvalidOutput(
                f"the text of the score_unstructured hook cannot be written as {charset}; "
                "return another charset, or bytes"
            ) from error


def keywords(mimetype: str | None, charset: str | None) -> dict[str, Any]:
    """`mimetype` and `charset` as the hook gets them; no `charset` for binary data without one."""
    if not mimetype:
        return {"mimetype": DEFAULT_TEXT, "charset": DEFAULT_CHARSET}
    if is_text(mimetype):
        return {"mimetype": mimetype, "charset": charset or DEFAULT_CHARSET}
    return {"mimetype": mimetype} if charset is None else {"mimetype": mimetype, "charset": charset}


def is_text(mimetype: str) -> bool:
    """Does the hook get text rather than bytes?"""
    lowered = mimetype.lower()
    return lowered.startswith("text/") or lowered == "application/json"


def decoded(data: bytes, arguments: dict[str, Any]) -> str | bytes:
    """Text in its charset, or the bytes untouched."""
    if not is_text(arguments["mimetype"]):
        return data
    charset = arguments["charset"]
    try:
        return data.decode(charset)
    except UnicodeDecodeError as error:
        raise MalformedRequest(
            f"the body is not {charset} text: {error.reason} at position {error.start}; "
            "send the right charset in Content-Type"
        ) from error
    except (LookupError, ValueError) as error:
        raise UnsupportedMediaType(
            f"unknown encoding: {charset}; use a charset such as utf-8"
        ) from error


def to_reply(result: Any) -> UnstructuredReply:
    """Check and complete a hook's return value."""
    options: dict[str, Any] = {}
    if isinstance(result, tuple):
        result, options = _pair(result)
    elif not _is_body(result):
        raise InvalidOutput(
            "In unstructured mode single return value can be of type str/bytes, "
            f"but received {type(result)}"
        )
    media_type, charset = options.get("mimetype"), options.get("charset")
    if isinstance(result, bytes):
        return UnstructuredReply(result, media_type or DEFAULT_BYTES, charset)
    charset = charset or DEFAULT_CHARSET
    try:
        codecs.lookup(charset)
    except (LookupError, TypeError, ValueError) as error:
        raise InvalidOutput(f"unknown encoding: {charset}") from error
    return UnstructuredReply(result, media_type or DEFAULT_TEXT, charset)


def _is_body(value: Any) -> bool:
    return value is None or isinstance(value, (str, bytes))


def _pair(result: tuple[Any, ...]) -> tuple[Any, dict[str, Any]]:
    if len(result) != PAIR_LENGTH:
        raise InvalidOutput(
            "In unstructured mode predictions of type tuple must have length = 2, "
            f"but received length = {len(result)}"
        )
    body, options = result
    if not _is_body(body) or not (options is None or isinstance(options, dict)):
        raise InvalidOutput(
            "In unstructured mode tuple return value must be of type (str/bytes, dict) "
            f"but received ({type(body)}, {type(options)})"
        )
    return body, options or {}
