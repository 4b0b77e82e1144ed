"""What Gunicorn's workers of all three classes do alike: check, time and answer."""

from __future__ import annotations

import ssl
import sys
from functools import partial
from typing import Any

from gunicorn import http, util
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, NoMoreData, ParseException

from datarobot_drum.drum.errors import DrumError, RefusedRequest
from datarobot_drum.drum.gunicorn.guarded_socket import GuardedSocket
from datarobot_drum.drum.root_predictors import cors
from datarobot_drum.drum.root_predictors.edge import Edge


class Guard:
    """Goes before a worker class of Gunicorn."""

    wsgi: Any
    cfg: Any
    log: Any
    alive: bool
    _edge: Edge | None = None

    @property
    def edge(self) -> Edge:
        """The limits of time, and who is told of refusals."""
        if self._edge is None:
            settings = self.wsgi.ctx.settings
            self._edge = Edge(
                self.wsgi.ctx.server.recorder,
                settings.header_timeout,
                settings.keep_alive,
                settings.request_timeout,
                cors=partial(cors.headers_for, settings),
            )
        return self._edge

    def is_alive(self) -> bool:
        """Does the worker take further requests?"""
        return self.alive

    def guarded(self, client: Any, keep_alive: float) -> GuardedSocket:
        """The client's socket behind the guard."""
        return GuardedSocket(client, self.edge, keep_alive, self.is_alive)

    def serve(self, place: Any, client: Any, address: Any) -> None:
        """Answer the requests of a connection and close it; `place` is for `handle_request`."""
        connection = self.guarded(client, self.edge.keep_alive)
        request = None
        try:
            parser = http.get_parser(self.cfg, connection, address)
            while True:
                request = None
                request = next(parser)
                connection.answer(request)
                self.handle_request(place, request, connection, address)
        except (NoMoreData, StopIteration, OSError) as error:
            self.log.debug("closing connection: %s", error)
        except BaseException as error:
            # a worker whose time is over ends by one that is no Exception
            if request is not None or isinstance(error, Exception):
                self.handle_error(request, connection, address, error)
        finally:
            if connection.was_idle:
                connection.close()
            else:
                util.close_graceful(connection)

    def handle_request(self, *args: Any) -> Any:
        """The worker class's own."""
        return super().handle_request(*args)  # type: ignore[misc]

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what no app has answered, as JSON; called by the worker classes."""
        error = _client_error(exc)
        if error is not None and req is not None:
            # the app was called, and has answered it or anything else
            return
        host = addr[0] if isinstance(addr, tuple) else ""
        try:
            if error is not None:
                answer = self.edge.refuse(error, getattr(client, "start", b""), host)
            else:
                self.log.error("error while handling a request", exc_info=sys.exc_info())
                answer = self.edge.answer(DrumError("internal error"), _origin(req))
            client.sendall(answer)
        except OSError as failure:
            self.log.debug("cannot send an answer: %s", failure)


def _origin(request: Any) -> str:
    headers = getattr(request, "headers", ())
    return next((value for name, value in headers if name == "ORIGIN"), "")


def _client_error(error: BaseException) -> DrumError | None:
    """What the client did wrong, if it was the client."""
    if isinstance(error, DrumError):
        return error
    if isinstance(error, LimitRequestLine):
        return RefusedRequest(str(error), 414)
    if isinstance(error, LimitRequestHeaders):
        return RefusedRequest(str(error), 431)
    if isinstance(error, (ParseException, ssl.SSLError)):
        return RefusedRequest(str(error))
    return None
