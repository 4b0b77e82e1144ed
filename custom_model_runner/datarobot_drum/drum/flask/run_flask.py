"""Runs the Flask app on Werkzeug's development server, in this process."""

from __future__ import annotations

import logging
import signal
import ssl
import sys
import threading
from types import FrameType
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from datarobot_drum.drum import worker
from datarobot_drum.drum.enum import ServerType
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.flask.app import create_wsgi_app
from datarobot_drum.drum.lifecycle import WorkerLifecycle
from datarobot_drum.drum.settings import ServeSpec, Settings

logger = logging.getLogger("drum.flask")

#: what a shell reports for a process that was interrupted
INTERRUPTED = 130


class QuietHandler(WSGIRequestHandler):
    """Speaks HTTP/1.1, does not tell its version and leaves logging to this program."""

    protocol_version = "HTTP/1.1"

    def version_string(self) -> str:
        """The `Server` header."""
        return "drum"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the core logs what went wrong."""


class Stop:
    """Ends the server from any thread and remembers the exit code."""

    def __init__(self, http: BaseWSGIServer) -> None:
        self._http = http
        self.code = INTERRUPTED

    def __call__(self, code: int) -> None:
        self.code = code
        # `shutdown` waits for the serving loop, which may be in this very thread
        threading.Thread(target=self._http.shutdown, daemon=True).start()


def run(spec: ServeSpec, settings: Settings) -> int:
    """Serve until a signal comes; the exit code. StartupError when the port cannot be opened."""
    logger.warning(
        "the flask server type is for development; use gunicorn or fastapi in production"
    )
    server = worker.build_server(spec, settings, ServerType.FLASK)
    app = create_wsgi_app(server, spec, settings)
    http = _bind(spec, settings, app)
    stop = Stop(http)
    lifecycle = WorkerLifecycle()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: _interrupted(stop, frame))
    worker.start(server, spec, settings, lifecycle, stop)
    http.serve_forever(poll_interval=0.1)
    server.drain()
    http.server_close()
    lifecycle.cleanup()
    if stop.code == INTERRUPTED:
        sys.stdout.flush()
    return stop.code


def _interrupted(stop: Stop, frame: FrameType | None) -> None:
    sys.stdout.write("Ctrl+C pressed, aborting drum\n")
    sys.stdout.flush()
    stop(INTERRUPTED)


def _bind(spec: ServeSpec, settings: Settings, app: Any) -> BaseWSGIServer:
    try:
        return make_server(
            spec.host,
            spec.port,
            app,
            threaded=True,
            request_handler=QuietHandler,
            ssl_context=_tls(settings),
        )
    except (OSError, SystemExit) as error:
        # Werkzeug prints its hint and exits when the port is taken
        raise StartupError(
            f"cannot listen on {spec.host}:{spec.port}; choose another --address ({error})"
        ) from error


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.ssl_certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(
        settings.ssl_certfile, settings.ssl_keyfile, settings.ssl_keyfile_password
    )
    if settings.ssl_ca_certs is not None:
        context.load_verify_locations(settings.ssl_ca_certs)
    context.verify_mode = ssl.VerifyMode(settings.ssl_cert_reqs)
    return context
