"""Chat: completions, streams, errors, association ids; and the list of models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.contract.cases import models
from tests.contract.cases.case import ANYTHING, JSON, Case, get, post
from tests.contract.serving import Served

TEXT = models.TEXT
EVENTS = "text/event-stream; charset=utf-8"
MALFORMED = {
    "error": "The browser (or proxy) sent a request that this server could not understand."
}
UNEXPECTED = (
    "Expected response to be ChatCompletion or Iterable[ChatCompletionChunk]. response type: "
)
DONE = "[DONE]"


def _body(content: Any, association_id: Any = "a1", **more: Any) -> bytes:
    params = {"model": "tiny", "messages": [{"role": "user", "content": content}], **more}
    if association_id is not None:
        params["datarobot_association_id"] = association_id
    return json.dumps(params).encode()


def _completion(text: Any, association_id: Any = "a1") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "datarobot_association_id": association_id,
    }


def _piece(text: str, association_id: Any = "a1") -> dict[str, Any]:
    return {
        "object": "chat.completion.chunk",
        "choices": [{"delta": {"content": text}}],
        "datarobot_association_id": association_id,
    }


def _chat(content: Any, id: str = "", **fields: Any) -> Case:
    served = fields.pop("served", TEXT)
    path = fields.pop("path", "/chat/completions")
    body = fields.pop("body", _body(content))
    type = fields.pop("type", JSON)
    return post(f"chat: {id or content}", served, path, body, type, **fields)


def _stream(content: str, *events: Any, id: str = "", **fields: Any) -> Case:
    sent = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return _chat(content, id, events=events, content_type=EVENTS, reply_headers=sent, **fields)


def _plain() -> Iterator[Case]:
    said = _completion('you said "hi"')
    for path in ("/chat/completions", "/v1/chat/completions", "/chat/completions/"):
        yield _chat("hi", f"hi at {path}", path=path, json=said)
    yield _chat(
        "hi",
        "bytes",
        body_is=json.dumps(said, sort_keys=True, separators=(",", ":")).encode() + b"\n",
    )
    for type in ("application/json; charset=utf-8", "application/vnd.api+json", "Application/JSON"):
        yield _chat("hi", f"hi as {type}", type=type, json=said)
    yield _chat("hi", "hi in pieces", chunked=True, json=said)
    part = [{"type": "text", "text": "hi"}]
    yield _chat(part, "content in parts", json=_completion(f"you said {json.dumps(part)}"))
    keys = "datarobot_association_id,messages,model,mood"
    yield _chat("parameters", body=_body("parameters", mood="good"), json=_completion(keys))
    yield _chat("keywords", json=_completion("headers"))
    yield _chat("header", send={"X-Tone": "soft"}, json=_completion("soft"))
    yield _chat("dict", json=_completion("from a dict"))
    wanted = _body("keywords", stream=True)
    yield _chat("keywords", "a stream was wanted", body=wanted, json=_completion("headers"))
    one = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "one"}}],
        "datarobot_association_id": "a1",
    }
    yield _chat("hi", "regression that chats", served=models.CHAT_ON_REGRESSION, json=one)
    agent = {
        **one,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "do walk"}}],
    }
    yield _chat("walk", "coroutine", served=models.AGENT, json=agent)


def _association_ids() -> Iterator[Case]:
    for given, told in (("x", "x"), (5, 5), ("", ANYTHING), (None, ANYTHING)):
        expected = _completion('you said "hi"', told)
        yield _chat("hi", f"association id {given!r}", body=_body("hi", given), json=expected)
    null = _body("hi", None, datarobot_association_id=None)
    yield _chat("hi", "association id null", body=null, json=_completion('you said "hi"', ANYTHING))
    events = (*(_piece(text, ANYTHING) for text in ("so", " be", " it")), DONE)
    yield _stream(
        "stream", *events, id="stream makes an association id", body=_body("stream", None)
    )
    numbers = (*(_piece(text, 7) for text in ("so", " be", " it")), DONE)
    yield _stream("stream", *numbers, id="stream with a number", body=_body("stream", 7))


def _streams() -> Iterator[Case]:
    yield _stream("stream", _piece("so"), _piece(" be"), _piece(" it"), DONE)
    yield _stream("dict stream", _piece("so"), _piece(" be"), DONE)
    yield _stream("lines", _piece("so"), DONE)
    yield _stream("separators", _piece("a\u2028b\u0085c\nd\u2603"), DONE)
    yield _stream("no items", DONE)
    usage = {
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {"total_tokens": 3},
        "datarobot_association_id": "a1",
    }
    yield _stream("no choices", _piece("so"), usage, DONE)
    for content, message, kind in (
        ("broken stream", "lost the thread", "ValueError"),
        ("stream that refuses", "enough", "CustomHTTPError"),
        ("stream that leaves", "3", "SystemExit"),
    ):
        yield _stream(content, _piece("so"), {"error": {"message": message, "type": kind}})
    yield _stream(
        "walk",
        _piece("do"),
        _piece("walk"),
        DONE,
        id="async generator",
        served=models.AGENT,
        body=_body("walk", stream=True),
    )


def _faulty() -> Iterator[Case]:
    for content, message in (
        ("fail", "no words come to mind"),
        ("leave", "Model 'chat' hook failed. Exception: SystemExit(3)"),
        ("text", f"{UNEXPECTED}<class 'str'>.response(str): words only"),
        ("none", f"{UNEXPECTED}<class 'NoneType'>.response(str): None"),
        ("number", f"{UNEXPECTED}<class 'int'>.response(str): 5"),
        ("failing stream", "no first word"),
    ):
        yield _chat(content, status=500, message=message, content_type=JSON)
    for content in ("dict without text", "other items"):
        yield _chat(content, status=500, says=UNEXPECTED)
    marked = {"X-Drum-User-Http-Error": "true"}
    for content, words in (("refuse", "too many words"), ("refusing stream", "not now")):
        yield _chat(content, status=429, json={"message": words}, reply_headers=marked)
    two = models.TEXT_TWO_ARGUMENTS
    yield _chat("hi", "hook of two arguments", served=two, status=500, message="got dict")
    for body in (b"{}", b'{"messages":[]}', b'{"messages":null}'):
        yield _chat("", f"messages of {body.decode()}", body=body, status=500, says="")


def _refused() -> Iterator[Case]:
    for id, body in (
        ("no body", b""),
        ("broken JSON", b"{"),
        ("bytes that are no text", b"\xff"),
        ("deep", b"[" * 100_000),
    ):
        yield _chat("", id, body=body, status=400, json=MALFORMED)
    for body in (b"[]", b'"x"', b"null", b"5"):
        yield _chat("", f"JSON {body.decode()}", body=body, status=400, says="JSON object")
    for type in (None, "text/plain", "application/x-www-form-urlencoded"):
        yield _chat("hi", f"type {type}", type=type, status=415, says="application/json")
    gzip = {"Content-Encoding": "gzip"}
    yield _chat("hi", "compressed", send=gzip, status=415, says="gzip")
    called = "This model's chat interface was called, but"
    yield _chat(
        "hi",
        "text without the hook",
        served=models.TEXT_PLAIN,
        status=404,
        message=f"{called} chat() is not implemented.",
    )
    others: tuple[tuple[str, Served], ...] = (
        ("regression", models.LINEAR),
        ("binary", models.BINARY),
        ("unstructured", models.UNSTRUCTURED),
        ("transform", models.TRANSFORM),
        ("geopoint", models.GEOPOINT),
        ("vector database", models.SEARCH),
    )
    for name, served in others:
        message = f"{called} chat is not supported."
        yield _chat("hi", f"{name} without the hook", served=served, status=404, message=message)
    plain = models.TEXT_PLAIN
    yield _chat(
        "", "broken JSON without the hook", served=plain, body=b"{", status=400, json=MALFORMED
    )


def _lists() -> Iterator[Case]:
    tiny = {"id": "tiny", "object": "model", "created": 1, "owned_by": "us"}
    small = {"id": "small", "object": "model", "created": 2, "owned_by": "us"}
    large = {"id": "large", "object": "model", "created": 1735689600, "owned_by": "DataRobot"}
    for name, served, data in (
        ("hook", TEXT, [tiny, small]),
        ("LLM_ID", models.TEXT_TWO_ARGUMENTS, [large]),
        ("neither", models.TEXT_PLAIN, []),
    ):
        for path in ("/models", "/v1/models"):
            expected = {"object": "list", "data": data}
            yield get(f"{path} by {name}", served, path, json=expected)
    message = "get_supported_llm_models is supported only for TextGen models"
    for served in (
        models.LINEAR,
        models.MULTILABEL,
        models.UNSTRUCTURED,
        models.GEOPOINT,
        models.SEARCH,
    ):
        yield get(f"/models of {served.target}", served, "/models", status=404, message=message)


CASES = (
    *_plain(),
    *_association_ids(),
    *_streams(),
    *_faulty(),
    *_refused(),
    *_lists(),
)
