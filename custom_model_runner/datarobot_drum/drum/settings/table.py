"""The table of settings: type, range, default, source and meaning of each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from datarobot_drum.drum import enum as names
from datarobot_drum.drum.settings import checks
from datarobot_drum.drum.settings.http import HttpSettings
from datarobot_drum.drum.settings.loading import load_model
from datarobot_drum.drum.settings.observability import ObservabilitySettings
from datarobot_drum.drum.settings.sources import FromParam

MEBIBYTE = 1 << 20

LogLevel = Literal["trace", "debug", "info", "warning", "error", "critical"]


class Settings(HttpSettings, ObservabilitySettings):
    """What an operator can tune, checked; `load` reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    server_type: Annotated[
        names.ServerType | None,
        BeforeValidator(checks.server_type),
        FromParam(names.DRUM_SERVER_TYPE, option="--server-type", stops_on="anything"),
    ] = None
    """Which server answers; without it the default server of this release."""

    workers: Annotated[
        int,
        Field(ge=1, le=199),
        FromParam(
            "CUSTOM_MODEL_WORKERS",
            env="MAX_WORKERS",
            option="--max-workers",
            beats_option=True,
            stops_on="text",
        ),
    ] = 1
    """Worker processes; each loads the model."""

    request_timeout: Annotated[
        float, Field(ge=0, le=3600), FromParam(names.DRUM_CLIENT_REQUEST_TIMEOUT)
    ] = 600
    """Seconds until a request is answered with 504; 0 is no limit."""

    executor_workers: Annotated[
        int, Field(ge=1, le=64), FromParam(names.DRUM_FASTAPI_EXECUTOR_WORKERS)
    ] = 1
    """Threads of a FastAPI worker that run hooks; above 1 the model must be thread-safe."""

    queue_depth: Annotated[
        int,
        Field(ge=0, le=10_000),
        FromParam(names.DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH, "DRUM_MAX_QUEUE_DEPTH"),
    ] = 100
    """Requests of one worker that may wait for a hook; more are answered with 503 at once."""

    queue_timeout: Annotated[
        float,
        Field(gt=0, le=3600),
        FromParam(names.DRUM_FASTAPI_EXECUTOR_QUEUE_TIMEOUT, "DRUM_BACKPRESSURE_TIMEOUT"),
    ] = 30
    """Seconds that a request may wait for a hook before it is answered with 503."""

    max_concurrent_requests: Annotated[
        int, Field(ge=1, le=1000), FromParam("DRUM_MAX_CONCURRENT_REQUESTS")
    ] = 100
    """Requests of one FastAPI worker that may wait in hooks declared `async def` at a time. With an
    inference server: chats, and apart from them direct accesses, that a worker hands to it."""

    graceful_timeout: Annotated[
        int,
        Field(ge=1, le=3600),
        FromParam(names.DRUM_UVICORN_GRACEFUL_TIMEOUT, "DRUM_GUNICORN_GRACEFUL_TIMEOUT"),
    ] = 299
    """Seconds that running requests have to end when a worker stops."""

    max_requests: Annotated[
        int,
        Field(ge=0, le=100_000),
        FromParam(names.DRUM_UVICORN_MAX_REQUESTS, "DRUM_GUNICORN_MAX_REQUESTS"),
    ] = 0
    """Requests after which a worker is replaced; 0 is never."""

    max_requests_jitter: Annotated[
        int,
        Field(ge=0, le=100_000),
        FromParam("DRUM_UVICORN_MAX_REQUESTS_JITTER", "DRUM_GUNICORN_MAX_REQUESTS_JITTER"),
    ] = 0
    """So many requests at most are added to `max_requests`, at random for each worker."""

    gunicorn_worker_class: Annotated[
        Literal["gthread", "sync", "gevent"],
        BeforeValidator(checks.lower),
        FromParam(names.DRUM_GUNICORN_WORKER_CLASS),
    ] = "gthread"
    """Kind of Gunicorn worker; predictions run one at a time in each kind."""

    gunicorn_threads: Annotated[
        int, Field(ge=1, le=1000), FromParam(names.DRUM_GUNICORN_THREADS)
    ] = 8
    """Connections that one `gthread` worker reads and answers at the same time."""

    worker_connections: Annotated[
        int, Field(ge=1, le=10_000), FromParam("DRUM_WORKER_CONNECTIONS")
    ] = 1000
    """Connections of one `gthread` or `gevent` worker."""

    uvicorn_loop: Annotated[
        Literal["auto", "asyncio", "uvloop"],
        BeforeValidator(checks.lower),
        FromParam(names.DRUM_UVICORN_LOOP),
    ] = "auto"
    """Event loop of the FastAPI server; `auto` takes uvloop where it is installed."""

    server_log_level: Annotated[
        LogLevel,
        BeforeValidator(checks.lower),
        FromParam(names.DRUM_UVICORN_LOG_LEVEL, "DRUM_GUNICORN_LOG_LEVEL"),
    ] = "info"
    """Log level of the server itself, not of this program."""

    target_name: Annotated[str | None, FromParam(None, env="TARGET_NAME")] = None
    """Column of the answer that holds the text; text targets need it here or in the metadata."""

    llm_id: Annotated[str | None, FromParam("LLM_ID")] = None
    """Model name that `/models` lists where the model folder has no hook for it."""

    legacy_label_order: Annotated[bool, FromParam(names.DRUM_LEGACY_LABEL_ORDER)] = False
    """Read arrays without label names as DRUM 1.18 does, positive class first."""

    ignore_server_extensions: Annotated[bool, FromParam(names.DRUM_IGNORE_SERVER_EXTENSIONS)] = (
        False
    )
    """Start although the folder's extension file is for another server and is not loaded."""

    prompt_column: Annotated[str, FromParam("prompt_column_name")] = "promptText"
    """Column with the prompts in tables for OpenAI-type predictors and in reports of chats."""

    moderation_required: Annotated[
        bool, FromParam(names.DRUM_MODERATION_REQUIRED, stops_on="anything")
    ] = False
    """Refuse to start when a folder asks for moderation and its library is missing."""

    monitor_settings: Annotated[
        str | None, Field(repr=False, exclude=True), FromParam(None, env="MONITOR_SETTINGS")
    ] = None
    """Where reports go, such as `spooler_type=filesystem;directory=/reports`."""

    report_queue_depth: Annotated[
        int, Field(ge=1, le=1_000_000), FromParam("DRUM_REPORT_QUEUE_DEPTH")
    ] = 1000
    """Reports of one worker that may wait to be sent; more are dropped and counted."""

    report_queue_bytes: Annotated[int, Field(ge=1), FromParam("DRUM_REPORT_QUEUE_BYTES")] = (
        64 * MEBIBYTE
    )
    """Bytes of data that the waiting reports may hold; what does not fit is dropped and counted."""

    report_flush_timeout: Annotated[
        float, Field(ge=0, le=300), FromParam("DRUM_REPORT_FLUSH_TIMEOUT")
    ] = 5
    """Seconds that waiting reports have to be sent when a worker stops."""

    webserver: Annotated[str | None, FromParam(None, env="EXTERNAL_WEB_SERVER_URL")] = None
    """Address of the platform."""

    api_token: Annotated[
        str | None, Field(repr=False, exclude=True), FromParam(None, env="API_TOKEN")
    ] = None
    """Token for the platform's API; never shown, never on a command line."""

    lazy_loading: Annotated[
        str | None, Field(repr=False, exclude=True), FromParam(None, env="MLOPS_LAZY_LOADING_DATA")
    ] = None
    """Which model files to fetch at the start, as JSON."""

    container_engine: Annotated[str | None, FromParam("DRUM_CONTAINER_ENGINE")] = None
    """Program that `--docker` calls, such as `podman`; without it docker, else podman."""

    check_row_count: Annotated[bool, FromParam("DRUM_CHECK_ROW_COUNT")] = True
    """Refuse predictions that have not one row for each row of the input."""

    use_watchdog: Annotated[bool, FromParam("USE_NIM_WATCHDOG")] = False
    """End the server, so that the platform restarts it, when it no longer answers `/info/`."""

    watchdog_request_timeout: Annotated[
        float, Field(gt=0, le=3600), FromParam("NIM_WATCHDOG_REQUEST_TIMEOUT")
    ] = 120
    """Seconds that the watchdog waits for an answer."""

    watchdog_max_attempts: Annotated[
        int, Field(ge=1, le=100), FromParam("NIM_WATCHDOG_MAX_ATTEMPTS")
    ] = 3
    """Unanswered requests in a row after which the watchdog ends the server."""

    watchdog_host: Annotated[str | None, FromParam(None, env="TEST_URL_HOST")] = None
    """Where the watchdog finds the server; without it the server's own address."""

    watchdog_period: Annotated[float, Field(gt=0, le=3600), FromParam("NIM_WATCHDOG_PERIOD")] = 10
    """Seconds between two requests of the watchdog."""

    score_chunk_rows: Annotated[
        int, Field(ge=1, le=100_000_000), FromParam("DRUM_SCORE_CHUNK_ROWS")
    ] = 100_000
    """Rows that `drum score` reads, predicts and writes at a time."""

    fit_check_timeout: Annotated[float, Field(ge=0), FromParam("DRUM_FIT_CHECK_TIMEOUT")] = 3600
    """Seconds that `drum fit` may take to predict with the trained model; 0 is no limit."""

    java_xmx: Annotated[str | None, FromParam(None, env="DRUM_JAVA_XMX")] = None
    """Heap of the process of a Java model, such as `4g`."""

    java_predictor_class: Annotated[
        str | None, FromParam(None, env="DRUM_JAVA_CUSTOM_PREDICTOR_CLASS")
    ] = None
    """Class that scores in a model folder of Java, in place of the one the artifact asks for."""

    java_class_path: Annotated[str | None, FromParam(None, env="DRUM_JAVA_CUSTOM_CLASS_PATH")] = (
        None
    )
    """Further jars and folders for Java models, separated by colons."""

    java_shared_jars: Annotated[str | None, FromParam(None, env="DRUM_JAVA_SHARED_JARS")] = None
    """Jars that several Java models share, searched last; a folder stands for the jars in it."""

    @classmethod
    def load(
        cls, environ: Mapping[str, str] | None = None, *, warn: bool = True, **overrides: Any
    ) -> Settings:
        """Read every setting; an override that is None does not count.

        UsageError where a value makes a start impossible; a bad value of any other setting is
        replaced by its default and logged, but not with `warn=False`: a process that was started
        by one that has told it already stays quiet.
        """
        return load_model(cls, os.environ if environ is None else environ, overrides, warn=warn)
