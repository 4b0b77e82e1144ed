"""The two WSGI fronts in process: called directly, and through Gunicorn's own HTTP code."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from io import BufferedReader, BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from gunicorn import util
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser
from tests.contract.exchanges import PATIENCE, Answer, Exchange, Headers, Request
from werkzeug.serving import DechunkedInput
from werkzeug.test import run_wsgi_app

from datarobot_drum.drum.flask.timed_input import TimedInput
from datarobot_drum.drum.gunicorn.guarded_socket import GuardedSocket
from datarobot_drum.drum.root_predictors.edge import Edge


class FlaskFront:
    """Calls the app as the development server does, each request in a thread of its own."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def open(self, request: Request) -> Exchange:
        """Send a request."""
        exchange = FlaskExchange()
        threading.Thread(target=self._run, args=(request, exchange), daemon=True).start()
        return exchange

    def _run(self, request: Request, exchange: FlaskExchange) -> None:
        with exchange.server_side:
            self._answer(request, exchange)

    def _answer(self, request: Request, exchange: FlaskExchange) -> None:
        environ = {**to_environ(request), "werkzeug.socket": exchange.server_side}
        if request.stalls:
            environ["wsgi.input"] = exchange.stalled_input(request)
        try:
            pieces, status, headers = run_wsgi_app(self._app, environ)
            exchange.start(int(status.split()[0]), tuple(headers))
            _pass_on(pieces, exchange)
        except BaseException as error:
            exchange.end(error)
        else:
            exchange.end()


class FlaskExchange(Exchange):
    """An answer whose client has a connection, of which the server sees the end."""

    def __init__(self) -> None:
        super().__init__()
        self._client_side, self.server_side = socket.socketpair()

    def stalled_input(self, request: Request) -> DechunkedInput:
        """What the development server reads of a body whose rest never comes."""
        self._client_side.sendall(b"".join(frames(request)))
        self.server_side.settimeout(PATIENCE)
        return DechunkedInput(BufferedReader(TimedInput(self.server_side)))

    def end(self, error: BaseException | None = None) -> None:
        """The server closes the connection, and the client does."""
        super().end(error)
        self._client_side.close()

    def close(self) -> None:
        """The client leaves before the end."""
        super().close()
        self._client_side.close()


def _pass_on(pieces: Iterable[bytes], exchange: Exchange) -> None:
    try:
        for piece in pieces:
            if exchange.left:
                break
            exchange.put(piece)
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def to_environ(request: Request) -> dict[str, Any]:
    """A request as PEP 3333 wants it; names with an underscore are dropped, as servers do."""
    path, _, query = request.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": request.path,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if request.chunked:
        environ["wsgi.input_terminated"] = True
    for name, value in request.sent_headers:
        key = name.upper().replace("-", "_")
        if "_" in name:
            continue
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


class GunicornFront:
    """Parses requests and writes answers with Gunicorn's code, over a pair of sockets."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._config = Config()
        self._edge = Edge(app.ctx.server.recorder, PATIENCE, PATIENCE, PATIENCE)

    def open(self, request: Request) -> SocketExchange:
        """Send a request."""
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE)
        theirs.settimeout(PATIENCE)
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        # a server that refuses a body does not read all of it
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            ours.sendall(to_bytes(request))
        return SocketExchange(ours, request.method)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                self._answer(connection)
        finally:
            # as its workers do: what was not read must not cost the client the answer
            util.close_graceful(connection)

    def _answer(self, plain: socket.socket) -> None:
        address = ("127.0.0.1", 1)
        connection = GuardedSocket(plain, self._edge, PATIENCE, lambda: True)
        parsed = next(RequestParser(self._config, connection, address))
        connection.answer(parsed)
        response, environ = wsgi.create(
            parsed, connection, address, ("127.0.0.1", 80), self._config
        )
        response.force_close()
        pieces = self._app(environ, response.start_response)
        try:
            for piece in pieces:
                response.write(piece)
            response.close()
        finally:
            if hasattr(pieces, "close"):
                pieces.close()


def to_bytes(request: Request) -> bytes:
    """A request as it goes over the wire."""
    head = "".join(f"{name}: {value}\r\n" for name, value in request.sent_headers)
    body = request.body
    if request.chunked:
        body = b"".join(frames(request))
    return f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def frames(request: Request) -> list[bytes]:
    """A chunked body as it goes over the wire."""
    pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in request.pieces]
    return pieces if request.stalls else [*pieces, b"0\r\n\r\n"]


class SocketExchange:
    """An answer that is read from a socket."""

    def __init__(self, connection: socket.socket, method: str) -> None:
        self._connection = connection
        self._response = http.client.HTTPResponse(connection, method=method)
        self._begun = False

    def head(self) -> tuple[int, Headers]:
        """Status and headers, as soon as they are there."""
        if not self._begun:
            self._response.begin()
            self._begun = True
        return self._response.status, tuple(self._response.getheaders())

    def pieces(self) -> Iterator[bytes]:
        """The pieces of the body, each as soon as it is there."""
        self.head()
        while piece := self._response.read1(65536):
            yield piece
        self.close()

    def answer(self) -> Answer:
        """The whole answer."""
        status, headers = self.head()
        return Answer(status, headers, b"".join(self.pieces()))

    def close(self) -> None:
        """The client leaves, or is done."""
        self._response.close()
        self._connection.close()
