"""Settings under the names of Gunicorn's; it renames, it decides nothing."""

from __future__ import annotations

import functools
import logging
import math
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datarobot_drum.drum import noticeboard, tls
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.observability import recent_errors
from datarobot_drum.drum.observability.metric_files import (
    FOLDER_VARIABLE,
    SHARED_MEMORY,
    MetricFiles,
)
from datarobot_drum.drum.parent_death import signalled_at_death_of
from datarobot_drum.drum.settings import ServeSpec, Settings

logger = logging.getLogger("drum.server")

UVICORN_WORKER = "datarobot_drum.drum.fastapi.worker_class.DrumUvicornWorker"
_CLASSES = "datarobot_drum.drum.gunicorn.worker_classes"
WORKER_CLASSES = {
    "gthread": f"{_CLASSES}.DrumThreadWorker",
    "sync": f"{_CLASSES}.DrumSyncWorker",
    "gevent": f"{_CLASSES}.DrumGeventWorker",
}
#: The core answers 504 at the deadline; only a worker that cannot even do that is killed, later.
KILL_MARGIN = 30

#: Seconds for threads that write last answers.
STUCK_THREADS = 1.0

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
        if settings.enable_ui:
            # before the first worker is forked
            recent_errors.share()
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
        return WORKER_CLASSES[self.settings.gunicorn_worker_class]

    @property
    def threads(self) -> int:
        """Threads of a `gthread` worker.

        A request that waits for the prediction thread holds one too. Those come on top, so that
        probes always find a free one; threads are only made when they are needed.
        """
        if self.worker_class != WORKER_CLASSES["gthread"]:
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
    def graceful_timeout(self) -> int:
        """Seconds after SIGTERM until the arbiter kills a worker that should have ended before."""
        from datarobot_drum.drum.worker import CLEANUP_TIME

        settings = self.settings
        return math.ceil(settings.pre_stop_delay + settings.graceful_timeout + CLEANUP_TIME)

    @property
    def worker_tmp_dir(self) -> str | None:
        """Where workers keep the file that tells when they were last alive; None: `TMPDIR`.

        Memory where there is some: a disk may be busy for longer than a worker may be silent, and
        its folder may go while the server runs.
        """
        is_writable = os.access(SHARED_MEMORY, os.W_OK | os.X_OK)
        return str(SHARED_MEMORY) if is_writable else None

    @property
    def worker_connections(self) -> int:
        """Connections of one worker: more than its threads, or none could be kept alive."""
        return max(self.settings.worker_connections, self.threads + self.settings.gunicorn_threads)


def _green_context(settings: Settings) -> ssl.SSLContext | None:
    """The context for gevent's own sockets.

    Also where gevent has not replaced the standard library yet: in the arbiter, whose context
    workers fall back on.
    """
    from gevent import ssl as green

    return tls.server_context(settings, green.SSLContext)


#: How each worker class makes the context of TLS; only blocking ones need a deadline of its own.
CONTEXTS = {
    WORKER_CLASSES["gthread"]: tls.blocking_context,
    WORKER_CLASSES["sync"]: tls.blocking_context,
    WORKER_CLASSES["gevent"]: _green_context,
    UVICORN_WORKER: tls.server_context,
}


@functools.cache
def ssl_context(settings: Settings, worker_class: str) -> Callable[[Any, Any], ssl.SSLContext]:
    """Gunicorn's hook of that name, which it calls for each connection of a blocking worker.

    It is made in the arbiter and outlives a reload of its configuration: workers fall back on it.
    """
    make = CONTEXTS[worker_class]
    context = tls.RenewedContext(lambda: make(settings))
    context.get()

    def made(config: Any, default_factory: Any) -> ssl.SSLContext:
        found = context.get()
        assert found is not None  # noqa: S101  # Gunicorn asks only where there is a certificate
        return found

    return made


def prepare_worker(arbiter: Any, worker: Any) -> None:
    """Gunicorn's `pre_fork`: what the worker and the arbiter will both know."""
    worker.board = noticeboard.Noticeboard()
    boards = [other.board for other in arbiter.WORKERS.values()]
    worker.board.must_wait = any(board.ready and not board.leaving for board in boards)
    worker.started = time.monotonic()
    worker.ask_for_signal = signalled_at_death_of(os.getpid(), signal.SIGTERM)


def enter_worker(arbiter: Any, worker: Any) -> None:
    """Gunicorn's `post_fork`: a worker ends when the arbiter does, even by SIGKILL."""
    noticeboard.take(worker.board)
    worker.ask_for_signal()


def open_figures(arbiter: Any) -> None:
    """Gunicorn's `on_starting`: make the folder in which all workers keep their figures."""
    os.environ.pop(FOLDER_VARIABLE, None)
    if not ArbiterConfig.from_environment().settings.metrics_enabled:
        return
    try:
        files = MetricFiles.create()
    except OSError as error:
        logger.error("no folder for metrics can be made, each worker tells its own: %s", error)
        return
    os.environ[FOLDER_VARIABLE] = str(files.folder)


def forget_worker(arbiter: Any, worker: Any) -> None:
    """Gunicorn's `child_exit`: keep what an ended worker has counted; an error would end all."""
    files = MetricFiles.from_environment()
    if files is None:
        return
    try:
        files.forget(worker.pid)
    except Exception as error:
        # no descriptor or room left, a file that was cut off: figures are not worth a server
        logger.error("the figures of worker %d cannot be kept: %r", worker.pid, error)


def close_figures(arbiter: Any) -> None:
    """Gunicorn's `on_exit`: remove what `open_figures` has made."""
    files = MetricFiles.from_environment()
    if files is not None:
        files.remove()


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
        if arbiter is not None:
            _leave_stuck_threads()


def _leave_stuck_threads() -> None:
    # the interpreter would wait for threads whose hook or client is stuck
    end = time.monotonic() + STUCK_THREADS
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(end - time.monotonic(), 0))
            if thread.is_alive():
                logging.shutdown()
                stop = sys.exc_info()[1]
                code = stop.code if isinstance(stop, SystemExit) else None
                os._exit(code if isinstance(code, int) else 0)


def _context(worker: Any) -> Any:
    # the Flask front is not imported here: the arbiter of the FastAPI server runs this as well
    return getattr(getattr(worker, "wsgi", None), "ctx", None)
