"""Settings under the names of Gunicorn's; it renames, it decides nothing."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.settings import ServeSpec, Settings

logger = logging.getLogger("drum.server")

UVICORN_WORKER = "datarobot_drum.drum.fastapi.worker_class.DrumUvicornWorker"
WORKERS = {
    "gthread": "datarobot_drum.drum.gunicorn.workers.DrumThreadWorker",
    "sync": "datarobot_drum.drum.gunicorn.workers.DrumSyncWorker",
    "gevent": "datarobot_drum.drum.gunicorn.gevent_worker.DrumGeventWorker",
}

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
        """The import path of the worker class."""
        if self.server_type is ServerType.FASTAPI:
            return UVICORN_WORKER
        return WORKERS[self.settings.gunicorn_worker_class]

    @property
    def threads(self) -> int:
        """Threads of a `gthread` worker.

        A request that waits for the prediction thread holds one too. Those come on top, so that
        probes always find a free one; threads are only made when they are needed.
        """
        if self.worker_class != WORKERS["gthread"]:
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


def ssl_context(config: Any, default_factory: Any) -> ssl.SSLContext:
    """The context that Gunicorn made, with TLS 1.2 as its least version."""
    context: ssl.SSLContext = default_factory()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def start_worker(worker: Any) -> None:
    """Gunicorn's `post_worker_init`: load the model (the ASGI app does so in its lifespan)."""
    ctx = _context(worker)
    if ctx is not None:
        ctx.begin()


def end_worker(arbiter: Any, worker: Any) -> None:
    """Gunicorn's `worker_exit`: stop and clean up."""
    ctx = _context(worker)
    if ctx is not None:
        ctx.end()


def _context(worker: Any) -> Any:
    # the Flask front is not imported here: the arbiter of the FastAPI server runs this as well
    return getattr(getattr(worker, "wsgi", None), "ctx", None)
