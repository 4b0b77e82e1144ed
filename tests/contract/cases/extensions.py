"""Server extensions: the same demonstration for both kinds, each loaded by its own servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.contract.cases import models
from tests.contract.cases.case import Case, get, post
from tests.contract.serving import Served

BOTH = (
    ("custom_flask_demo_auth.py", "custom_flask.py"),
    ("custom_fastapi_demo_auth.py", "custom_fastapi.py"),
)
BROKEN = (
    ("custom_flask_broken.py", "custom_flask.py"),
    ("custom_fastapi_broken.py", "custom_fastapi.py"),
)
NO_INIT = (
    ("custom_without_init.py", "custom_flask.py"),
    ("custom_without_init.py", "custom_fastapi.py"),
)
GUARDED = replace(models.REGRESSION, files=BOTH)
NESTED = replace(models.LINEAR, files=tuple((source, f"below/{name}") for source, name in BOTH))
TWO = replace(models.LINEAR, files=(*BOTH, *NESTED.files), error_server=True)
IGNORED = replace(GUARDED, environment=(("DRUM_IGNORE_SERVER_EXTENSIONS", "true"),))
PREFIXED = replace(GUARDED, environment=(("URL_PREFIX", "/pre"),))
KEY = {"X-Auth": "sesame"}
OK = {"message": "OK"}
NO_TOKEN = {"message": "no token"}


def _marked(case: Case) -> Case:
    return replace(case, reply_headers={**case.reply_headers, "X-Ext": "yes"})


def _guarded(served: Served = GUARDED, name: str = "extension") -> Iterator[Case]:
    def ask(id: str, path: str, **fields: Any) -> Case:
        return _marked(get(f"{name}: {id}", served, path, **fields))

    for path in ("/", "/ping", "/ping/"):
        yield ask(f"{path} is open", path, json=OK)
    for path in ("/health/", "/info/", "/stats/", "/models", "/livez", "/directAccess/x"):
        yield ask(f"{path} without a token", path, status=401, json=NO_TOKEN)
    yield ask(
        "wrong token", "/health/", send={"X-Auth": "x"}, status=403, json={"message": "wrong token"}
    )
    yield ask("right token", "/health/", send=KEY, json=OK)
    yield ask("route of its own", "/extra/bob", send=KEY, json={"name": "bob"})
    yield ask("route of its own without a token", "/extra/bob", status=401, json=NO_TOKEN)
    yield ask("unknown path without a token", "/nope", status=401, json=NO_TOKEN)
    yield ask("404 of its own", "/nope", send=KEY, status=404, json={"message": "nothing here"})
    yield ask(
        "request id",
        "/health/",
        send={"X-Request-Id": "i"},
        status=401,
        reply_headers={"X_Request_ID": "i"},
    )
    yield ask(
        "405 stays",
        "/predict/",
        send=KEY,
        status=405,
        says="not allowed",
        reply_headers={"Allow": "POST, OPTIONS"},
    )


def _predictions() -> Iterator[Case]:
    def send(id: str, body: bytes, **fields: Any) -> Case:
        return _marked(post(f"extension: {id}", GUARDED, "/predict/", body, **fields))

    yield send("prediction without a token", b"v\n1\n", status=401, json=NO_TOKEN)
    yield send("prediction", b"v\n1\n", send=KEY, json={"predictions": [2.0]})
    yield send("failing hook", b"do,v\nfail,1\n", send=KEY, status=500, says="out of order")
    yield send(
        "refusing hook", b"do,v\nrefuse,1\n", send=KEY, status=409, json={"message": "not today"}
    )
    chat = "/chat/completions"
    yield _marked(
        post(
            "extension: 404 of a model is not its own",
            GUARDED,
            chat,
            b"{}",
            "application/json",
            send=KEY,
            status=404,
            says="chat is not supported",
        )
    )


def _others() -> Iterator[Case]:
    yield from _guarded(NESTED, "extension below")
    yield get(
        "extension: its own failure says nothing",
        GUARDED,
        "/extra-failure",
        send=KEY,
        status=500,
        says="internal error",
    )
    yield get("extension ignored", IGNORED, "/health/", json=OK, absent_headers=("X-Ext",))
    yield get("extension: ping below the prefix is open", PREFIXED, "/pre/ping/", json=OK)
    yield get("extension: prefix", PREFIXED, "/pre/health/", status=401, json=NO_TOKEN)
    yield get(
        "extension: its route has no prefix", PREFIXED, "/extra/bob", send=KEY, json={"name": "bob"}
    )


def _faulty() -> Iterator[Case]:
    for name, files, says in (
        ("that cannot be imported", BROKEN, "No module named 'no_such_library'"),
        ("without init_app", NO_INIT, "has no attribute 'init_app'"),
    ):
        served = replace(models.LINEAR, files=files, error_server=True)
        for path in ("/ping/", "/health/", "/info/"):
            yield get(f"extension {name}: {path}", served, path, status=513, says=says)
        yield post(f"extension {name}: predict", served, "/predict/", b"a\n", status=513, says=says)
    yield get("two extensions", TWO, "/ping/", status=513, says="custom_f")
    broken = Served("broken_load", files=BOTH, error_server=True)
    for path in ("/health/", "/info/"):
        yield get(
            f"extension of a broken model: {path}",
            broken,
            path,
            status=513,
            says="the weights are gone",
        )
    yield get(
        "extension of a broken model: its route",
        broken,
        "/extra/bob",
        status=404,
        says="no such path",
    )


CASES = (*_guarded(), *_predictions(), *_others(), *_faulty())
