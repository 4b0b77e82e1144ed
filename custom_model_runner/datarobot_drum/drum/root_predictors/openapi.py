"""The OpenAPI document of a server, made from its table of routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from datarobot_drum import __version__
from datarobot_drum.drum.root_predictors.routes import Kind, Route

ERROR = {"$ref": "#/components/schemas/Error"}
OBJECT = {"type": "object"}
CSV = {"schema": {"type": "string"}, "example": "a,b\n1,2\n"}
RECORDS = {
    "schema": {"type": "array", "items": OBJECT},
    "example": [{"a": 1, "b": 2}],
}
FORM = {
    "schema": {
        "type": "object",
        "required": ["X"],
        "properties": {"X": {"type": "string", "contentMediaType": "text/csv"}},
    }
}
TABLE = {"text/csv": CSV, "application/json": RECORDS, "multipart/form-data": FORM}
CHAT = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["messages"],
            "properties": {
                "model": {"type": "string"},
                "messages": {"type": "array", "items": OBJECT},
                "stream": {"type": "boolean"},
            },
        },
        "example": {"messages": [{"role": "user", "content": "Hello"}]},
    }
}
ANYTHING: dict[str, Any] = {"*/*": {"schema": {}}}
#: What the routes with a body read.
BODIES = {"predict": TABLE, "transform": TABLE, "chat": CHAT}
#: What they answer, where that is not just some JSON object.
ANSWERS: dict[str, dict[str, Any]] = {
    "predict": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["predictions"],
                "properties": {"predictions": {"type": "array"}},
            },
            "example": {"predictions": [22.0]},
        }
    },
    "chat": {"application/json": {"schema": OBJECT}, "text/event-stream": {"schema": {}}},
    "predict_unstructured": ANYTHING,
    "transform": ANYTHING,
    "forward_request": ANYTHING,
    "metrics": {"text/plain": {"schema": {"type": "string"}}},
    "ui": {"text/html": {"schema": {"type": "string"}}},
    "ui_file": ANYTHING,
}
REFUSALS = {
    "413": "The body is larger than the limit.",
    "422": "The data cannot be read, or the model is of another kind.",
    "500": "The model failed.",
    "503": "The worker is starting, draining or busy; try again later.",
    "504": "The request timeout has passed.",
}


def document(routes: Iterable[Route], prefix: str) -> dict[str, Any]:
    """The document in OpenAPI 3.1; each route with its first spelling only."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "drum", "version": __version__},
        # relative, so that it is right behind a proxy as well
        "servers": [{"url": prefix or "/"}],
        "paths": {path: _path(route, path) for route in routes for path in route.paths},
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["message"],
                    "properties": {"message": {"type": "string", "examples": ["ERROR: ..."]}},
                }
            }
        },
    }


def _path(route: Route, path: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        method.lower(): _operation(route, method, path) for method in route.methods
    }
    if path.endswith("{subpath}"):
        item["parameters"] = [
            {"name": "subpath", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    return item


def _operation(route: Route, method: str, path: str) -> dict[str, Any]:
    words = path.strip("/").replace("/", "_").replace("{subpath}", "path") or "root"
    answer = ANSWERS.get(route.name, {"application/json": {"schema": OBJECT}})
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{words}",
        "tags": [route.kind.name.lower()],
        "summary": route.doc,
        "responses": {"200": {"description": "The answer.", "content": answer}, **_refusals(route)},
    }
    if method in ("POST", "PUT"):
        body = BODIES.get(route.name, ANYTHING)
        operation["requestBody"] = {"required": route.kind is Kind.MODEL, "content": body}
    return operation


def _refusals(route: Route) -> dict[str, Any]:
    told = REFUSALS if route.kind is Kind.MODEL else {"503": REFUSALS["503"]}
    content = {"application/json": {"schema": ERROR}}
    return {status: {"description": text, "content": content} for status, text in told.items()}
