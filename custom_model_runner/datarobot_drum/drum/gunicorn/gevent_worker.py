"""Gunicorn's `gevent` worker behind our guard."""

from __future__ import annotations

import logging
from typing import Any

from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

from datarobot_drum.drum.gunicorn.guard import Guard

logger = logging.getLogger("drum.server")


class Server(StreamServer):  # type: ignore[misc]  # the package has no types
    """Accepts connections, each in a greenlet; a TLS handshake may not take for ever."""

    handshake_timeout: float | None = None

    @property
    def handle(self) -> Any:
        """What serves a connection.

        Kept in a place of its own: gevent forgets it when listening ends, before connections that
        still shake hands have got to it.
        """
        return self._serve

    @handle.setter
    def handle(self, serve: Any) -> None:
        self._serve = serve

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        """Make the TLS connection and serve it."""
        client_socket.settimeout(self.handshake_timeout)
        try:
            super().wrap_socket_and_handle(client_socket, address)
        except OSError as error:
            logger.debug("no TLS connection with %s: %s", address, error)


class GuardedGeventWorker(Guard, GeventWorker):  # type: ignore[misc]  # the package has no types
    """A greenlet for each connection."""

    def server_class(self, listener: Any, *, handle: Any, spawn: Any, **tls: Any) -> Server:
        """The server of one listening socket."""
        server = Server(listener, handle=handle, spawn=spawn, **tls)
        server.handshake_timeout = self.edge.header_timeout or None
        if self.cfg.workers > 1:
            # other workers get their share
            server.max_accept = 1
        return server

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection."""
        self.serve(listener.getsockname(), client, addr)
