"""Runs the Flask app on Werkzeug's development server, in this process."""

from __future__ import annotations

import io
import logging
import os
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
from datarobot_drum.drum.flask.timed_input import TimedInput
from datarobot_drum.drum.settings import ServeSpec, Settings

logger = logging.getLogger("drum.flask")

#: what a shell reports for a process that was interrupted
INTERRUPTED = 130
#: tells a supervisor that the server wants to be started again
REPLACED = 1


class QuietHandler(WSGIRequestHandler):
    """Speaks HTTP/1.1, does not tell its version and leaves logging to this program."""

    protocol_version = "HTTP/1.1"

    def version_string(self) -> str:
        """The `Server` header."""
        return "drum"

    def setup(self) -> None:
        """Read with the deadline of the request."""
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(TimedInput(self.connection))

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
    """Ends the server from any thread and remembers the exit code of the first call."""

    def __init__(self, http: BaseWSGIServer) -> None:
        self._http = http
        self.code: int | None = None

    def __call__(self, code: int, delay: float = 0) -> None:
        if self.code is None:
            self.code = code
            # `shutdown` waits for the serving loop, which may be in this very thread
            timer = threading.Timer(delay, self._http.shutdown)
            timer.daemon = True
            timer.start()


class FlaskWorkerCtx(worker.ServerCtx):
    """The lifecycle of a process that serves by itself: nobody starts another one."""

    _stop_serving: Stop

    def stops_by(self, stop: Stop) -> Stop:
        """`stop`, which ends the serving from now on."""
        self._stop_serving = stop
        return stop

    def end_process(self) -> None:
        """Stop serving; the exit code asks to be started again."""
        self._stop_serving(REPLACED)

    def interrupt(self, frame: FrameType | None) -> None:
        """What a signal does: stop in order; the second one ends the process at once."""
        if self._stop_serving.code == INTERRUPTED:
            os._exit(INTERRUPTED)
        sys.stdout.write("Ctrl+C pressed, aborting drum\n")
        sys.stdout.flush()
        delay = self.settings.pre_stop_delay
        self.drain(delay)
        self._stop_serving(INTERRUPTED, delay)

    def end(self) -> None:
        """Stop and clean up; requests in flight are cut, with an answer that says so."""
        self.hurry()
        self.kill_at_end()
        self.stop()
        self.cleanup()


def run(spec: ServeSpec, settings: Settings) -> int:
    """Serve until a signal comes; the exit code. StartupError when the port cannot be opened."""
    logger.warning(
        "the flask server type is for development; use gunicorn or fastapi in production"
    )
    server = worker.build_server(spec, settings, ServerType.FLASK)
    ctx = FlaskWorkerCtx(server, spec, settings)
    http = _bind(spec, settings, create_wsgi_app(server, spec, settings))
    stop = ctx.stops_by(Stop(http))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: ctx.interrupt(frame))
    worker.start(ctx, stop)
    http.serve_forever(poll_interval=0.1)
    ctx.drain()
    http.server_close()
    ctx.end()
    return INTERRUPTED if stop.code is None else stop.code


def _bind(spec: ServeSpec, settings: Settings, app: Any) -> BaseWSGIServer:
    context = tls.blocking_context(settings)
    try:
        http = make_server(
            spec.host,
            spec.port,
            app,
            threaded=True,
            request_handler=_handler(settings),
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


def _handler(settings: Settings) -> type[QuietHandler]:
    class Handler(QuietHandler):
        # of every read and write, so that no client holds a thread for ever
        timeout = settings.header_timeout or None

    return Handler
