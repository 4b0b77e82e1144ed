"""Settings under the names of Gunicorn's; it renames, it decides nothing."""

from __future__ import annotations

import functools
import logging
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datarobot_drum.drum import tls
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.settings import ServeSpec, Settings

logger = logging.getLogger("drum.server")

UVICORN_WORKER = "datarobot_drum.drum.fastapi.worker_class.DrumUvicornWorker"

#: The core answers 504 at the deadline; only a worker that cannot even do that is killed, later.
KILL_MARGIN = 30

#: where the launcher tells the arbiter which of the two production servers it is
SERVER_TYPE_VARIABLE = "DRUM_ARBITER_SERVER_TYPE"


@dataclass(frozen=True)
class ArbiterConfig:
    """What `gunicorn.conf.py` assigns."""

    spec: ServeSpec
    settings: Settings
    server_type: ServerType

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> ArbiterConfig:
        """What the launcher left in the environment."""
        from datarobot_drum.drum import worker

        spec, settings = worker.from_environment(environ)
        return cls(spec, settings, ServerType(environ[SERVER_TYPE_VARIABLE]))

    @property
    def bind(self) -> str:
        """Host and port; an IPv6 host in brackets."""
        host = f"[{self.spec.host}]" if ":" in self.spec.host else self.spec.host
        return f"{host}:{self.spec.port}"

    @property
    def worker_class(self) -> str:
        """The worker class by name or import path."""
        if self.server_type is ServerType.FASTAPI:
            return UVICORN_WORKER
        return self.settings.gunicorn_worker_class

    @property
    def threads(self) -> int:
        """Threads of a `gthread` worker.

        A request that waits for the prediction thread holds one too. Those come on top, so that
        probes always find a free one; threads are only made when they are needed.
        """
        if self.worker_class != "gthread":
            return 1
        threads = self.settings.gunicorn_threads + self.settings.queue_depth
        if self.spec.model.gpu_predictor is not None:
            # chats and direct accesses at the inference server, each with the same limit
            threads += 2 * self.settings.max_concurrent_requests
        return threads

    @property
    def max_requests(self) -> int:
        """Requests after which a worker is replaced; 0 is never.

        Never where a worker has started an inference server, which would end with it.
        """
        asked = self.settings.max_requests
        if asked and self.spec.model.starts_inference_server:
            logger.warning(
                "workers are not replaced after %d requests: the inference server would be "
                "started anew each time",
                asked,
            )
            return 0
        return asked

    @property
    def timeout(self) -> int:
        """Seconds of silence after which the arbiter kills a worker; 0 is never."""
        limit = self.settings.request_timeout
        return int(limit) + KILL_MARGIN if limit else 0

    @property
    def worker_connections(self) -> int:
        """Connections of one worker: more than its threads, or none could be kept alive."""
        return max(self.settings.worker_connections, self.threads + self.settings.gunicorn_threads)


@functools.cache
def ssl_context(settings: Settings, worker_class: str) -> Callable[[Any, Any], ssl.SSLContext]:
    """Gunicorn's hook of that name, which it calls for each connection of a blocking worker.

    It is made in the arbiter and outlives a reload of its configuration: workers fall back on it.
    """
    # handshakes of the other classes stop nobody, and gevent brings sockets of its own
    is_blocking = worker_class in ("sync", "gthread")
    make = tls.blocking_context if is_blocking else tls.server_context
    context = tls.RenewedContext(lambda: make(settings))
    context.get()

    def made(config: Any, default_factory: Any) -> ssl.SSLContext:
        found = context.get()
        assert found is not None  # noqa: S101  # Gunicorn asks only where there is a certificate
        return found

    return made


def start_worker(worker: Any) -> None:
    """Gunicorn's `post_worker_init`: load the model (the ASGI app does so in its lifespan)."""
    ctx = _context(worker)
    if ctx is not None:
        if ctx.settings.ssl_certfile and ctx.settings.gunicorn_worker_class == "gevent":
            _hush_failed_handshakes()
        ctx.begin()


def _hush_failed_handshakes() -> None:
    """Keep gevent from printing a traceback for each client that does not speak TLS."""
    import gevent

    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, ssl.SSLError)


def end_worker(arbiter: Any, worker: Any) -> None:
    """Gunicorn's `worker_exit`: stop and clean up."""
    ctx = _context(worker)
    if ctx is not None:
        ctx.end()


def _context(worker: Any) -> Any:
    # the Flask front is not imported here: the arbiter of the FastAPI server runs this as well
    return getattr(getattr(worker, "wsgi", None), "ctx", None)
