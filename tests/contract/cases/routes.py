"""Routes and methods: both spellings, 404, 405 with `Allow`, HEAD and OPTIONS."""

from __future__ import annotations

from collections.abc import Iterator

from tests.contract.cases import models
from tests.contract.cases.case import Case, get, post
from tests.contract.serving import Served

LINEAR = models.LINEAR
OK = {"message": "OK"}
ROW = b"a,b\n1,2\n"
LETTERS = "GET, HEAD, OPTIONS"
POSTS = "POST, OPTIONS"

GET_PATHS = (
    *("/", "/ping/", "/ping", "/health/", "/health", "/info/", "/info"),
    *("/capabilities/", "/capabilities", "/stats/", "/stats"),
    *("/livez", "/livez/", "/readyz", "/readyz/", "/startupz", "/startupz/"),
    *("/metrics", "/metrics/"),
)
MODEL_LISTS = ("/models", "/models/", "/v1/models", "/v1/models/")
PREDICTIONS = (
    *("/predict/", "/predict", "/predictions/", "/predictions"),
    *("/invocations", "/invocations/"),
)
OTHER_POST_PATHS = (
    *("/transform/", "/transform", "/predictUnstructured/", "/predictUnstructured"),
    *("/predictionsUnstructured/", "/predictionsUnstructured"),
    *("/chat/completions", "/chat/completions/", "/v1/chat/completions", "/v1/chat/completions/"),
)
UNKNOWN = (
    *("/nope", "/PING/", "/Predict/", "/shutdown", "/shutdown/", "/docs", "/redoc"),
    *("/openapi.json", "/v1/", "/v1/models/tiny", "/static/x.js", "/ping/x", "/x/../ping/"),
    *("/directAccess", "/directAccess/", "/nim/", "/nim"),
)
WRONG_METHODS = ("DELETE", "PATCH", "PUT")


def _found() -> Iterator[Case]:
    for path in GET_PATHS:
        yield get(f"GET {path}", LINEAR, path)
        yield get(f"HEAD {path}", LINEAR, path, method="HEAD")
        yield _options(LINEAR, path, LETTERS)
    for path in MODEL_LISTS:
        yield get(f"GET {path}", models.TEXT, path)
        yield _options(models.TEXT, path, LETTERS)
    for path in PREDICTIONS:
        yield post(f"POST {path}", LINEAR, path, ROW, json={"predictions": [22.0]})
    for path in (*PREDICTIONS, *OTHER_POST_PATHS):
        yield _options(LINEAR, path, POSTS)


def _options(served: Served, path: str, allow: str) -> Case:
    return get(
        f"OPTIONS {path}",
        served,
        path,
        method="OPTIONS",
        body_is=b"",
        content_type="text/html; charset=utf-8",
        reply_headers={"Allow": allow},
    )


def _wrong_methods() -> Iterator[Case]:
    for path in ("/", "/ping/", "/ping", "/health/", "/info", "/stats/", "/models", "/livez"):
        for method in ("POST", *WRONG_METHODS):
            yield _refused(method, path, LETTERS)
    for path in (*PREDICTIONS, *OTHER_POST_PATHS):
        for method in ("GET", "HEAD", "DELETE"):
            yield _refused(method, path, POSTS)
    for method in ("PUT", "PATCH", "TRACE", "BREW"):
        yield _refused(method, "/predict/", POSTS)
    for path in ("/directAccess/a", "/nim/a/b"):
        for method in ("DELETE", "PATCH"):
            yield _refused(method, path, "GET, HEAD, OPTIONS, POST, PUT")


def _refused(method: str, path: str, allow: str) -> Case:
    return get(
        f"{method} {path} is refused",
        LINEAR,
        path,
        method=method,
        status=405,
        says="not allowed",
        reply_headers={"Allow": allow},
    )


def _unknown() -> Iterator[Case]:
    for path in UNKNOWN:
        yield _missing("GET", path)
    for method in ("POST", *WRONG_METHODS, "OPTIONS", "HEAD", "BREW"):
        yield _missing(method, "/nope")
    yield _missing("POST", "/shutdown/")


def _missing(method: str, path: str) -> Case:
    return get(
        f"{method} {path} is not there",
        LINEAR,
        path,
        method=method,
        status=404,
        says="no such path",
        absent_headers=("Allow", "Location"),
    )


CASES = (
    *_found(),
    *_wrong_methods(),
    *_unknown(),
    get("percent-encoded path", LINEAR, "/%70ing/", json=OK),
    get("query string of a probe", LINEAR, "/ping/?a=1", json=OK),
    post(
        "query string of a prediction", LINEAR, "/predict/?a=1", ROW, json={"predictions": [22.0]}
    ),
    get("body of a GET is ignored", LINEAR, "/ping/", send={"Content-Length": "3"}, body=b"abc"),
    get("accept is ignored", LINEAR, "/ping/", send={"Accept": "text/html"}, json=OK),
)
