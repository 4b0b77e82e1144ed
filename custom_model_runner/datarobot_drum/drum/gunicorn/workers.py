"""Gunicorn's `sync` and `gthread` workers behind our guard."""

from __future__ import annotations

import contextlib
import logging
import math
import selectors
import socket
import threading
import time
from collections import deque
from concurrent.futures import Future
from functools import partial
from types import FrameType
from typing import Any

from gunicorn import http
from gunicorn import sock as gunicorn_sock
from gunicorn.workers.gthread import TConn, ThreadWorker
from gunicorn.workers.sync import SyncWorker

from datarobot_drum.drum.gunicorn.guard import Guard
from datarobot_drum.drum.gunicorn.guarded_socket import READ_BYTES, GuardedSocket
from datarobot_drum.drum.root_predictors.edge import LINGER, LINGER_BYTES, Edge, too_slow

logger = logging.getLogger("drum.server")

#: Seconds for which no connection is taken after the system had no room for one.
ACCEPT_PAUSE = 1.0


class GuardedSyncWorker(Guard, SyncWorker):  # type: ignore[misc]  # the package has no types
    """One connection at a time, closed after its first answer."""

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection."""
        try:
            if self.cfg.is_ssl:
                client.settimeout(self.edge.header_timeout or None)
                client = gunicorn_sock.ssl_wrap_socket(client, self.cfg)
                client.do_handshake()
        except OSError as error:
            self.log.debug("no TLS connection: %s", error)
            client.close()
            return
        self.serve(listener, client, addr)

    def handle_request(self, listener: Any, req: Any, client: Any, addr: Any) -> None:
        """Answer one request; there is no second one."""
        super().handle_request(listener, req, client, addr)
        raise StopIteration


class Connection(TConn):  # type: ignore[misc]  # the package has no types
    """A connection of a `gthread` worker; without TLS it is guarded from its beginning."""

    def __init__(self, worker: GuardedThreadWorker, client: Any, addr: Any, server: Any) -> None:
        super().__init__(worker.cfg, client, addr, server)
        self.initialized = False
        self._worker = worker
        self.discarded = 0
        # only called when there is something to read
        self.data_ready = True
        if not self.cfg.is_ssl:
            self.sock = self._guarded()

    def init(self) -> None:
        """Make the parser, in a thread; with TLS after the handshake."""
        if self.initialized:
            return
        self.initialized = True
        if self.cfg.is_ssl:
            self.sock.settimeout(self._worker.edge.header_timeout or None)
            self.sock = gunicorn_sock.ssl_wrap_socket(self.sock, self.cfg)
            self.sock.do_handshake()
            self.sock = self._guarded()
        self.parser = http.get_parser(self.cfg, self.sock, self.client)

    def _guarded(self) -> GuardedSocket:
        edge = self._worker.edge
        # idle connections wait in the poller, not in a thread
        return self._worker.guarded(self.sock, min(edge.keep_alive, edge.header_timeout or 1))

    def has_request(self) -> bool:
        """Read what is there: is it for a thread?"""
        return self.cfg.is_ssl or self.sock.fill()

    def has_read_ahead(self) -> bool:
        """Has the next request been read, at least in part?"""
        return self.sock.look_ahead() or (self.cfg.is_ssl and self.sock.pending() > 0)

    def expire(self, edge: Edge) -> None:
        """Tell a client that its head did not come in time; one without TLS yet hears nothing."""
        if self.cfg.is_ssl and not self.initialized:
            return
        host = self.client[0] if isinstance(self.client, tuple) else ""
        answer = edge.refuse(too_slow("the request head"), self.sock.start, host)
        with contextlib.suppress(OSError):
            self.sock.send(answer)

    def discard(self) -> bool:
        """Throw away what comes after the answer; False when nothing more is to be expected."""
        try:
            data = self.sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        self.discarded += len(data)
        return bool(data) and self.discarded < LINGER_BYTES


class GuardedThreadWorker(Guard, ThreadWorker):  # type: ignore[misc]  # the package has no types
    """Connections wait in the poller until a whole head has come; only then they get a thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lingering: deque[Connection] = deque()
        self._accept_after = 0.0

    def set_accept_enabled(self, enabled: bool) -> None:
        """As Gunicorn's, but not before a pause is over."""
        if not enabled or time.monotonic() >= self._accept_after:
            super().set_accept_enabled(enabled)

    def accept(self, listener: Any) -> None:
        """Take a new connection and wait for its first request."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            # no descriptor is left, say: those who are connected must not suffer
            logger.error("no connection can be accepted, trying again in a second: %s", error)
            self._accept_after = time.monotonic() + ACCEPT_PAUSE
            self.set_accept_enabled(False)
            return
        self.nr_conns += 1
        self._wait_for_head(Connection(self, client, address, listener.getsockname()))

    def _wait_for_head(self, conn: Connection) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + (self.edge.header_timeout or math.inf)
        self.pending_conns.append(conn)
        callback = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, callback)

    def on_pending_socket_readable(self, conn: Connection, client: Any) -> None:
        """Some of a head has come."""
        if conn.has_request():
            super().on_pending_socket_readable(conn, client)

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        """The next request begins on a connection that was kept."""
        if conn.has_request():
            super().on_client_socket_readable(conn, client)
        elif conn.sock.in_head:
            self.poller.unregister(client)
            self.keepalived_conns.remove(conn)
            self._wait_for_head(conn)

    def murder_pending(self) -> None:
        """Answer 408 to heads that did not come in time, and end refused connections."""
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            conn = self.pending_conns.popleft()
            self.poller.unregister(conn.sock)
            conn.expire(self.edge)
            self._linger(conn)
        while self._lingering and self._lingering[0].timeout <= now:
            self._end(self._lingering[0])

    def _cap_keepalive(self, deadline: float) -> None:
        """Let no connection without a request outlast `deadline`; the worker is stopping."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def finish_request(self, conn: Connection, fs: Future[Any]) -> None:
        """A thread is done with a connection."""
        is_kept = not fs.cancelled() and fs.exception() is None and bool(fs.result())
        if not is_kept:
            self._linger(conn)
        elif conn.has_read_ahead():
            self.enqueue_req(conn)
        elif conn.sock.in_head:
            self._wait_for_head(conn)
        else:
            super().finish_request(conn, fs)

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Answer one request, in a thread."""
        conn.sock.answer(req)
        return super().handle_request(req, conn)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """As Gunicorn's, which waits for a lock that the code under the signal may hold."""
        shutdown = partial(self.tpool.shutdown, wait=False)
        threading.Thread(target=shutdown, name="pool-end", daemon=True).start()
        super(ThreadWorker, self).handle_quit(sig, frame)

    def _linger(self, conn: Connection) -> None:
        """Close a connection once its client has; a reset could take the answer from it.

        Gunicorn waits for that in its main thread, where one client stops all others.
        """
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            callback = partial(self._on_lingering_readable, conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, callback)
        except (OSError, ValueError):
            # it is closed already
            self.nr_conns -= 1
            conn.close()
            return
        conn.timeout = time.monotonic() + LINGER
        self._lingering.append(conn)

    def _on_lingering_readable(self, conn: Connection, client: Any) -> None:
        if not conn.discard():
            self._end(conn)

    def _end(self, conn: Connection) -> None:
        self._lingering.remove(conn)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()
