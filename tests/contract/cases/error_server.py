"""A model that could not be loaded, with `--with-error-server`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.contract.cases import models
from tests.contract.cases.case import JSON, Case, get, post
from tests.contract.serving import Served

LOAD = Served("broken_load", error_server=True)
LOAD_MESSAGE = (
    "An error occurred when loading your artifact: 'load_model' hook failed to load the model. "
    "Exception: RuntimeError('the weights are gone')"
)
PREFIXED = replace(LOAD, environment=(("URL_PREFIX", "/a/b"),))
GETS = (
    *("/", "/ping", "/ping/", "/health", "/health/", "/info/", "/capabilities/", "/stats/"),
    *("/models", "/v1/models", "/directAccess/x", "/nim/x"),
)
POSTS = (
    *("/predict/", "/predictions/", "/invocations", "/predict", "/transform/"),
    *("/predictUnstructured/", "/predictionsUnstructured/"),
    *("/chat/completions", "/v1/chat/completions"),
)


def _routes() -> Iterator[Case]:
    refused: dict[str, Any] = {"status": 513, "message": LOAD_MESSAGE}
    for path in GETS:
        yield get(f"error server: GET {path}", LOAD, path, **refused)
    for path in POSTS:
        type = JSON if "chat" in path else "text/csv"
        yield post(f"error server: POST {path}", LOAD, path, b"{}", type, **refused)
    yield get("error server: HEAD", LOAD, "/health/", method="HEAD", status=513)
    yield get(
        "error server: bytes",
        LOAD,
        "/ping/",
        status=513,
        body_is=f'{{"message":"ERROR: {LOAD_MESSAGE}"}}\n'.encode(),
    )
    yield post("error server: no body", LOAD, "/predict/", b"", **refused)
    yield post("error server: broken JSON", LOAD, "/chat/completions", b"{", JSON, **refused)
    yield get("error server: livez", LOAD, "/livez", json={"status": "alive"})
    for path in ("/readyz", "/startupz"):
        expected = {"status": "failed", "message": f"ERROR: {LOAD_MESSAGE}"}
        yield get(f"error server: {path}", LOAD, path, status=503, json=expected)
    yield get("error server: unknown path", LOAD, "/nope", status=404, says="no such path")
    yield get(
        "error server: wrong method",
        LOAD,
        "/predict/",
        status=405,
        says="not allowed",
        reply_headers={"Allow": "POST, OPTIONS"},
    )
    yield get("error server: OPTIONS", LOAD, "/predict/", method="OPTIONS", body_is=b"")
    yield get(
        "error server: request id",
        LOAD,
        "/ping/",
        status=513,
        send={"X-Request-Id": "i"},
        reply_headers={"X_Request_ID": "i"},
    )


def _prefix() -> Iterator[Case]:
    yield get("error server: prefix", PREFIXED, "/a/b/ping/", status=513, message=LOAD_MESSAGE)
    yield post(
        "error server: prefixed prediction",
        PREFIXED,
        "/a/b/predict/",
        b"a\n",
        status=513,
        message=LOAD_MESSAGE,
    )
    yield get(
        "error server: without the prefix", PREFIXED, "/ping/", status=404, says="no such path"
    )


def _failed(id: str, served: Served, **fields: Any) -> Case:
    return get(
        f"error server: {id}",
        replace(served, error_server=True),
        "/health/",
        status=513,
        absent_headers=("X-Drum-User-Http-Error",),
        **fields,
    )


def _reasons() -> Iterator[Case]:
    yield _failed("import", Served("broken_import"), says="No module named 'no_such_library'")
    yield _failed(
        "labels",
        Served("binary", "binary"),
        message=(
            "Positive/negative class labels are missing. They must be provided with either one: "
            "--positive-class-label/--negative-class-label arguments, environment variables, "
            "model config file."
        ),
    )
    yield _failed("user error while loading", Served("refusing_load"), message="no key")
    yield _failed("exit while loading", Served("leaving_load"), says="SystemExit(4)")
    yield _failed("load_model gives nothing", Served("empty_load"), says="None is returned")
    yield _failed("target type", Served("linear", None), says="Target type is missing.")
    yield _failed(
        "two target types",
        Served("metadata", "regression"),
        says="doesn't match target type from model config file",
    )
    yield _failed(
        "target name",
        replace(models.TEXT, environment=()),
        message=(
            "Unexpected empty target name for text generation, vector database, or agentic "
            "workflow target."
        ),
    )
    yield _failed("no model", Served("no_model"), says="Can not detect language by artifacts")
    yield _failed("two custom files", Served("two_custom"), says="Found too many custom hook files")
    yield _failed(
        "no score hook",
        Served("sparse_transform", "unstructured"),
        says="hook 'score_unstructured' must be provided",
    )
    yield _failed(
        "deployment config",
        replace(models.LINEAR, deployment="{}"),
        says="'target' section not found in deployment config json file",
    )


CASES = (*_routes(), *_prefix(), *_reasons())
