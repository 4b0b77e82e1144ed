"""Connections to an inference server that another thread can cut while a call waits on them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx


class Exchange:
    """One call of an inference server, from its first byte to its last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stream: httpcore.NetworkStream | None = None
        self.is_interrupted = False

    def use(self, stream: httpcore.NetworkStream) -> None:
        """The call reads from, or writes to, `stream` now."""
        with self._lock:
            self._stream = stream
            if self.is_interrupted:
                _cut(stream)

    def interrupt(self) -> None:
        """Cut the connection that the call uses, or will use; it fails with a TransportError."""
        with self._lock:
            self.is_interrupted = True
            if self._stream is not None:
                _cut(self._stream)

    def end(self) -> None:
        """The connection may serve another call now."""
        with self._lock:
            self._stream = None


#: The call that the running code makes.
current_exchange: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)


def _cut(stream: httpcore.NetworkStream) -> None:
    connection = stream.get_extra_info("socket")
    if connection is not None:
        # closing does not wake the thread that reads; the method of TLS sockets forgets the
        # session that the thread still uses
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


class WatchedStream(httpcore.NetworkStream):
    """A connection that tells the running call that it is used."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def _note(self) -> None:
        exchange = current_exchange.get()
        if exchange is not None:
            exchange.use(self._stream)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As the wrapped one."""
        self._note()
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As the wrapped one."""
        self._note()
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        """As the wrapped one."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """As the wrapped one."""
        return WatchedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """As the wrapped one."""
        return self._stream.get_extra_info(info)


class WatchedBackend(httpcore.SyncBackend):
    """Opens watched connections."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """As its base class."""
        return WatchedStream(
            super().connect_tcp(host, port, timeout, local_address, socket_options)
        )


class InterruptibleTransport(httpx.HTTPTransport):
    """Any number of connections, of which `idle` are kept; no proxy of the machine."""

    def __init__(self, context: ssl.SSLContext, idle: int) -> None:
        super().__init__(verify=context, trust_env=False)
        # httpx hands its pool no network backend
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=idle,
            keepalive_expiry=httpx.Limits().keepalive_expiry,
            network_backend=WatchedBackend(),
        )
