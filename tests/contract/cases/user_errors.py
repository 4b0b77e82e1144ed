"""HTTP errors that hooks raise on purpose, and hooks that try to end the server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.contract.cases import models
from tests.contract.cases.case import Case, get, post

SERVED = models.USER_ERRORS
MARK = "X-Drum-User-Http-Error"


def _raised(text: str, status: int, message: str, **fields: Any) -> Case:
    return post(
        f"user error: {text}",
        SERVED,
        "/predict/",
        text.encode(),
        status=status,
        json={"message": message},
        reply_headers={MARK: "true"},
        **fields,
    )


def _hooks() -> Iterator[Case]:
    for hook, code in (("read_input_data", 409), ("transform", 410), ("score", 418)):
        yield _raised(f"{hook} http {code}", code, f"refused in {hook}")
    yield _raised("none http 0", 413, "refused in post_process")


def _codes() -> Iterator[Case]:
    for code in (400, 401, 404, 422, 429, 499, 500, 503, 599):
        yield _raised(f"score http {code}", code, "refused in score")
    for code in (99, 200, 204, 301, 399, 600, 1000, -1):
        yield _raised(f"score http {code}", 500, "refused in score")
    yield _raised("score text 404", 404, "refused in score")
    yield _raised("score text much", 500, "refused in score")


def _kinds() -> Iterator[Case]:
    yield _raised("score derived 422", 422, "refused in score")
    yield _raised("score default 0", 400, "User's HTTP error in custom model")
    yield _raised("score plain 0", 400, "no code")
    yield _raised("score class 0", 451, "the class has a code")
    yield _raised("score object 400", 400, "an odd message")
    yield _raised("score snow 400", 400, '\u2603 "q" </p>')


def _leaving() -> Iterator[Case]:
    for hook in ("read_input_data", "transform", "score"):
        yield post(
            f"user error: {hook} leaves",
            SERVED,
            "/predict/",
            f"{hook} leave 5".encode(),
            status=500,
            message=f"Model '{hook}' hook failed. Exception: SystemExit(5)",
            absent_headers=(MARK,),
        )
    yield get("alive after all that", SERVED, "/ping/", json={"message": "OK"})


def _server_errors() -> Iterator[Case]:
    broken = replace(SERVED, folder="broken_import", error_server=True)
    yield get("no mark on a start-up error", broken, "/ping/", status=513, absent_headers=(MARK,))


CASES = (*_hooks(), *_codes(), *_kinds(), *_leaving(), *_server_errors())
