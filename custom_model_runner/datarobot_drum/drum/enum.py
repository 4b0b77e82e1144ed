"""Names shared with model code and operators: target types, server types, files, parameters."""

from __future__ import annotations

from enum import Enum


class TargetType(Enum):
    """What a model predicts; hooks receive a member as the keyword `target_type`."""

    BINARY = "binary"
    REGRESSION = "regression"
    ANOMALY = "anomaly"
    UNSTRUCTURED = "unstructured"
    MULTICLASS = "multiclass"
    TRANSFORM = "transform"
    TEXT_GENERATION = "textgeneration"
    GEO_POINT = "geopoint"
    VECTOR_DATABASE = "vectordatabase"
    AGENTIC_WORKFLOW = "agenticworkflow"
    MULTILABEL = "multilabel"

    @property
    def is_classification(self) -> bool:
        """Does an answer hold one probability for each label?"""
        return self in (TargetType.BINARY, TargetType.MULTICLASS, TargetType.MULTILABEL)

    @property
    def is_text(self) -> bool:
        """Is an answer one text (or other JSON value), in a column named by `TARGET_NAME`?"""
        return self in (
            TargetType.TEXT_GENERATION,
            TargetType.VECTOR_DATABASE,
            TargetType.AGENTIC_WORKFLOW,
        )

    @property
    def is_numeric(self) -> bool:
        """Is an answer one number a row?"""
        return self in (TargetType.REGRESSION, TargetType.ANOMALY)

    @property
    def is_structured(self) -> bool:
        """Is it served by the predict routes: a table in, one prediction a row out?"""
        return self not in (TargetType.UNSTRUCTURED, TargetType.TRANSFORM)


class ServerType(Enum):
    """The three server types; `parse` knows their aliases."""

    FLASK = "flask"
    GUNICORN = "gunicorn"
    FASTAPI = "fastapi"

    @classmethod
    def parse(cls, text: str) -> ServerType:
        """The server type that `text` names, in any case; ValueError lists the valid names."""
        name = text.strip().lower()
        try:
            return cls(SERVER_TYPE_ALIASES.get(name, name))
        except ValueError:
            raise ValueError(
                f"unknown server type {text!r}; use one of {', '.join(SERVER_TYPE_NAMES)}"
            ) from None


SERVER_TYPE_ALIASES = {"werkzeug": "flask", "uvicorn": "fastapi"}
SERVER_TYPE_NAMES = [*(server_type.value for server_type in ServerType), *SERVER_TYPE_ALIASES]

#: The server that `drum server` starts when nothing chooses one.
DEFAULT_SERVER_TYPE = ServerType.FLASK

CUSTOM_FILE_NAME = "custom"
FLASK_EXT_FILE_NAME = "custom_flask"
FASTAPI_EXT_FILE_NAME = "custom_fastapi"
METADATA_FILE_NAME = "model-metadata.yaml"
MODERATION_FILE_NAME = "moderation_config.yaml"

#: Who reports predictions to the platform: the server, or the model's own code.
MONITOR = "monitor"
EMBEDDED = "embedded"

#: Column of a one-column answer.
PREDICTIONS_COLUMN = "Predictions"

RUNTIME_PARAM_PREFIX = "MLOPS_RUNTIME_PARAM_"

DRUM_SERVER_TYPE = "DRUM_SERVER_TYPE"
DRUM_FASTAPI_EXECUTOR_WORKERS = "DRUM_FASTAPI_EXECUTOR_WORKERS"
DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH = "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH"
DRUM_FASTAPI_EXECUTOR_QUEUE_TIMEOUT = "DRUM_FASTAPI_EXECUTOR_QUEUE_TIMEOUT"
DRUM_FASTAPI_MAX_UPLOAD_SIZE = "DRUM_FASTAPI_MAX_UPLOAD_SIZE"
DRUM_FASTAPI_ENABLE_DOCS = "DRUM_FASTAPI_ENABLE_DOCS"
DRUM_CLIENT_REQUEST_TIMEOUT = "DRUM_CLIENT_REQUEST_TIMEOUT"
DRUM_WEBSERVER_BACKLOG = "DRUM_WEBSERVER_BACKLOG"
DRUM_UVICORN_LOOP = "DRUM_UVICORN_LOOP"
DRUM_UVICORN_MAX_REQUESTS = "DRUM_UVICORN_MAX_REQUESTS"
DRUM_UVICORN_GRACEFUL_TIMEOUT = "DRUM_UVICORN_GRACEFUL_TIMEOUT"
DRUM_UVICORN_KEEP_ALIVE = "DRUM_UVICORN_KEEP_ALIVE"
DRUM_UVICORN_LOG_LEVEL = "DRUM_UVICORN_LOG_LEVEL"
DRUM_GUNICORN_THREADS = "DRUM_GUNICORN_THREADS"
DRUM_GUNICORN_WORKER_CLASS = "DRUM_GUNICORN_WORKER_CLASS"
DRUM_CORS_ENABLED = "DRUM_CORS_ENABLED"
DRUM_CORS_ORIGINS = "DRUM_CORS_ORIGINS"
DRUM_SSL_CERTFILE = "DRUM_SSL_CERTFILE"
DRUM_SSL_KEYFILE = "DRUM_SSL_KEYFILE"
DRUM_SSL_KEYFILE_PASSWORD = "DRUM_SSL_KEYFILE_PASSWORD"  # noqa: S105  # the name, no secret
DRUM_LEGACY_LABEL_ORDER = "DRUM_LEGACY_LABEL_ORDER"
DRUM_IGNORE_SERVER_EXTENSIONS = "DRUM_IGNORE_SERVER_EXTENSIONS"
DRUM_MODERATION_REQUIRED = "DRUM_MODERATION_REQUIRED"

#: Where a server's command line travels to its workers, as JSON.
SERVE_SPEC_VARIABLE = "DRUM_SERVE_SPEC"
