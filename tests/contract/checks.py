"""Compares an answer with what a case expects, and with what holds for every answer."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from typing import Any

from tests.contract.cases.case import UNCHECKED, Case
from tests.contract.exchanges import Answer

from datarobot_drum import __version__

Part = tuple[str, str | None, bytes]


def check(case: Case, answer: Answer) -> None:
    """Everything that the case expects."""
    assert answer.status == case.status, answer.body[:500]
    check_common_headers(answer)
    check_length(case, answer)
    check_headers(case, answer)
    if case.method != "HEAD":
        check_body(case, answer)


def check_common_headers(answer: Answer) -> None:
    """What every answer carries, whoever made it."""
    assert answer.header("X_Request_ID") == answer.header("X-Request-ID") != None  # noqa: E711
    assert answer.header("X-Drum-Version") == __version__
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Referrer-Policy") == "no-referrer"
    assert "/" not in (answer.header("Server") or "")
    assert answer.header("Content-Type")


def check_length(case: Case, answer: Answer) -> None:
    """Streams have no length, all else has the right one; HEAD gets none of the body."""
    length = answer.header("Content-Length")
    if answer.media_type == "text/event-stream":
        assert length is None
    elif case.method == "HEAD":
        assert answer.body == b""
    else:
        assert length == str(len(answer.body))


def check_headers(case: Case, answer: Answer) -> None:
    """The headers that the case names; the methods of `Allow` have no order."""
    if case.content_type is not None:
        assert answer.header("Content-Type") == case.content_type
    for name, value in case.reply_headers.items():
        found = answer.header(name)
        assert _in_order(name, found) == _in_order(name, value)
    for name in case.absent_headers:
        assert answer.header(name) is None


def _in_order(name: str, value: str | None) -> Any:
    return sorted((value or "").split(", ")) if name == "Allow" else value


def check_body(case: Case, answer: Answer) -> None:
    """The body, by whichever expectation the case has."""
    if case.json is not UNCHECKED:
        assert answer.media_type == "application/json"
        assert answer.json() == case.json
    if case.body_is is not None:
        assert answer.body == case.body_is
    if case.message is not None:
        assert answer.json()["message"] == f"ERROR: {case.message}"
    if case.says is not None:
        text = answer.json()["message"]
        assert text.startswith("ERROR: ")
        assert case.says in text
    if case.keys is not None:
        found = answer.json()
        assert {key: found[key] for key in case.keys} == case.keys
    if case.parts is not None:
        assert parts_of(answer) == list(case.parts)
    if case.events is not None:
        assert events_of(answer.body) == list(case.events)


def parts_of(answer: Answer) -> list[Part]:
    """The parts of a form: name, file name, content."""
    head = f"Content-Type: {answer.header('Content-Type')}\r\n\r\n".encode()
    message: Any = message_from_bytes(head + answer.body, policy=policy.HTTP)
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


def events_of(body: bytes) -> list[Any]:
    """The data of each server-sent event, parsed where it is JSON."""
    assert body.endswith(b"\n\n")
    return [_event(text) for text in body.decode().removesuffix("\n\n").split("\n\n")]


def _event(text: str) -> Any:
    lines = text.split("\n")
    assert all(line.startswith("data: ") for line in lines), text
    data = "\n".join(line.removeprefix("data: ") for line in lines)
    return data if data == "[DONE]" else json.loads(data)
