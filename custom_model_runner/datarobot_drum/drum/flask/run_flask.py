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

from datarobot_drum.drum import tls, worker
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

    def handle(self) -> None:
        """Shake hands in the thread of the connection, then answer."""
        connection = self.connection
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
        except (ConnectionError, ssl.SSLError) as error:
            logger.debug("TLS handshake failed: %s", error)
            return
        super().handle()

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
    if stop.code == INTERRUPTED:
        server.terminate()
        sys.stdout.flush()
    return stop.code


def _interrupted(stop: Stop, frame: FrameType | None) -> None:
    sys.stdout.write("Ctrl+C pressed, aborting drum\n")
    sys.stdout.flush()
    stop(INTERRUPTED)


def _bind(spec: ServeSpec, settings: Settings, app: Any) -> BaseWSGIServer:
    context = tls.blocking_context(settings)
    try:
        http = make_server(
            spec.host,
            spec.port,
            app,
            threaded=True,
            request_handler=QuietHandler,
        )
    except (OSError, SystemExit) as error:
        # Werkzeug prints its hint and exits when the port is taken
        raise StartupError(
            f"cannot listen on {spec.host}:{spec.port}; choose another --address ({error})"
        ) from error
    if context is not None:
        # Werkzeug would shake hands in the loop that accepts, where one slow client stops all
        http.ssl_context = context
        http.socket = context.wrap_socket(
            http.socket, server_side=True, do_handshake_on_connect=False
        )
    return http
