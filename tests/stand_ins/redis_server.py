"""A Redis that speaks its protocol on loopback: the commands are fakeredis's, the server is ours.

The one that the library brings closes the connection after each error reply, which Redis does not:
a client that is told that the server lacks a script, and sends it, meets the end of its connection.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis.exceptions import RedisError


class Handler(TCPFakeRequestHandler):
    """One connection; it ends when the client or the server wants it to."""

    server: Server

    def handle(self) -> None:
        """Answer each command, errors included, as long as there are any."""
        self.connection.setblocking(True)
        self.server.connections.append(self.connection)
        with suppress(OSError):
            while data := self.connection.recv(65536):
                self.current_client.get_socket().sendall(data)
                while self.current_client.can_read():
                    self.writer.dump(self._reply())

    def _reply(self) -> object:
        try:
            return self.current_client.read_response()
        except RedisError as error:
            return error


class Server(TcpFakeServer):
    """Listens from its creation on."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), server_type="redis")
        self.RequestHandlerClass = Handler
        self.connections: list[socket.socket] = []

    def end(self) -> None:
        """Stop listening and cut all connections, as a Redis that is stopped does."""
        self.shutdown()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # waits for the threads of the connections
        self.server_close()


@contextmanager
def redis_at(port: int) -> Iterator[None]:
    """A Redis on that port of this machine, empty at first."""
    server = Server(port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.end()
        thread.join()
