"""Hooks declared `async def`: the answers are those of sync hooks, on every server type."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.contract.cases import models
from tests.contract.cases.case import JSON, Case, post, predict

EVENTS = "text/event-stream; charset=utf-8"
SCORE_FAILED = "Model 'score' hook failed to make predictions. Exception: "
CHUNK = "chat.completion.chunk"


def _predictions() -> Iterator[Case]:
    yield predict("async score", models.AWAITING, b"v\n1\n2\n", gives=[1.0, 2.0])
    yield predict(
        "async score that fails",
        models.AWAITING,
        b"v,do\n1,fail\n",
        status=500,
        message=f"{SCORE_FAILED}KeyError('no')",
    )
    yield predict(
        "async score that leaves",
        models.AWAITING,
        b"v,do\n1,exit\n",
        status=500,
        message="Model 'score' hook failed. Exception: SystemExit(3)",
    )


def _unstructured(id: str, body: bytes, **fields: object) -> Case:
    return post(
        f"async unstructured: {id}",
        models.AWAITING_UNSTRUCTURED,
        "/predictUnstructured/",
        body,
        "text/plain",
        send={"X-Request-ID": "the-id"},
        **fields,
    )


def _unstructured_answers() -> Iterator[Case]:
    yield _unstructured("sees the request's id", b"hi", body_is=b"the-id: hi")
    yield _unstructured("fails", b"fail", status=500, message="'no'")


def _chat(id: str, content: str, *, stream: bool = False, **fields: object) -> Case:
    params = {"messages": [{"role": "user", "content": content}], "stream": stream}
    body = json.dumps({**params, "datarobot_association_id": "a1"}).encode()
    return post(
        f"async chat: {id}", models.AWAITING_CHAT, "/chat/completions", body, JSON, **fields
    )


def _piece(word: str) -> dict[str, object]:
    choices = [{"delta": {"content": word}}]
    return {"object": CHUNK, "choices": choices, "datarobot_association_id": "a1"}


def _chats() -> Iterator[Case]:
    message = {"role": "assistant", "content": "hi"}
    said = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message}],
        "datarobot_association_id": "a1",
    }
    yield _chat("completion", "hi", json=said)
    yield _chat("failure", "fail", status=500, message="'no'")
    events: tuple[object, ...] = (_piece("so"), _piece("be"), "[DONE]")
    yield _chat("stream", "so be", stream=True, events=events, content_type=EVENTS)
    yield _chat("stream of nothing", "", stream=True, events=("[DONE]",), content_type=EVENTS)
    error = {"error": {"message": "the stream is broken", "type": "ValueError"}}
    yield _chat(
        "broken stream",
        "so broken",
        stream=True,
        events=(_piece("so"), error),
        content_type=EVENTS,
    )
    yield _chat(
        "stream that fails at once",
        "broken",
        stream=True,
        status=500,
        message="the stream is broken",
    )


CASES = (*_predictions(), *_unstructured_answers(), *_chats())
