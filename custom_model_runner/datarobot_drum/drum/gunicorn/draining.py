"""How Gunicorn's workers end: in order, without losing a request that has reached them.

Each class is a mixin, and beside it the worker that is made of it and Gunicorn's own class.
"""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

from gunicorn.workers.base import Worker

from datarobot_drum.drum import forks, noticeboard
from datarobot_drum.drum.errors import NotReady
from datarobot_drum.drum.lifecycle import get_worker_ctx
from datarobot_drum.drum.root_predictors.edge import LINGER_BYTES
from datarobot_drum.drum.root_predictors.prediction_server import EXPIRED
from datarobot_drum.drum.worker import LAST_WORDS, ServerCtx

#: Seconds between two looks at what may have changed.
POLL_PERIOD = 0.05


def current_ctx() -> ServerCtx | None:
    """The context of this worker, once it has begun to load its model."""
    ctx = get_worker_ctx()
    return ctx if isinstance(ctx, ServerCtx) else None


class Draining(Worker):  # type: ignore[misc]  # the package has no types
    """What is the same for all: SIGTERM, SIGQUIT, recycling, listening in turn."""

    max_requests: int
    sockets: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Gunicorn ends a worker at this number; ours waits for its successor
        self._due_after, self.max_requests = self.max_requests, sys.maxsize
        self._is_waiting = False

    def init_signals(self) -> None:
        """As Gunicorn's; signals that came since the fork come now."""
        super().init_signals()
        forks.hear_signals()

    def notify(self) -> None:
        """Tell the arbiter that this worker lives, and when it is due to be replaced."""
        super().notify()
        if self.nr >= self._due_after:
            noticeboard.own().wants_successor = True

    def run(self) -> None:
        """Serve, from the moment on when this worker is needed or ready."""
        self.wait_for_turn(time.sleep)
        if self.sockets:
            super().run()

    def wait_for_turn(self, sleep: Callable[[float], object]) -> None:
        """Return when others do not serve, or this worker can, or is to end."""
        board = noticeboard.own()
        self._is_waiting = True
        while self.alive and board.must_wait and not board.ready:
            # a model may load for longer than the arbiter lets a worker be silent
            self.notify()
            sleep(POLL_PERIOD)
        self._is_waiting = False

    def _let_go_of_sockets(self) -> None:
        listeners, self.sockets = self.sockets, []
        for listener in listeners:
            listener.close()
        noticeboard.own().leaving = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: not ready from now on; listening ends now, or after the pre-stop delay."""
        if self._is_waiting and not noticeboard.own().ready:
            # connections are for those that serve
            self._let_go_of_sockets()
        ctx = current_ctx()
        if ctx is not None and ctx.leaving and self._waits_to_stop():
            return
        delay = 0.0 if ctx is None else ctx.begin_drain()
        self.keep_no_more()
        if delay:
            signal.signal(signal.SIGALRM, self._end_listening)
            signal.siginterrupt(signal.SIGALRM, False)
            signal.setitimer(signal.ITIMER_REAL, delay)
        else:
            self._end_listening(sig, frame)

    def keep_no_more(self) -> None:
        """From now on answers tell clients to come back on another connection."""

    @staticmethod
    def _waits_to_stop() -> bool:
        return signal.getitimer(signal.ITIMER_REAL)[0] > 0

    def _end_listening(self, sig: int, frame: FrameType | None) -> None:
        ctx = current_ctx()
        if ctx is not None:
            self.cfg.set("graceful_timeout", math.ceil(ctx.requests_left() + LAST_WORDS))
            ctx.kill_at_end()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGQUIT: end at once; what runs is answered that it is over."""
        ctx = current_ctx()
        if ctx is not None:
            ctx.hurry()
            ctx.kill_at_end()
        super().handle_quit(sig, frame)


class DrainingThreads(Draining):
    """For the worker with threads: takes what waits at the socket before it is closed."""

    max_keepalived: int

    def keep_no_more(self) -> None:
        """As if as many connections were kept as may be."""
        self.max_keepalived = 0

    def set_accept_enabled(self, enabled: bool) -> None:
        """As Gunicorn's; when the worker ends it also lets go of its sockets."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            listeners, self.sockets = self.sockets, []
            for listener in listeners:
                if noticeboard.own().server_stops:
                    self._accept_all(listener)
                listener.close()

    def _accept_all(self, listener: Any) -> None:
        count = -1
        while count != self.nr_conns:
            count = self.nr_conns
            self.accept(listener)


class DrainingSync(Draining):
    """For the worker with one connection at a time: answers what waits at the socket."""

    _is_hurried = False

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGQUIT: a hook's request is answered that it is over; any other connection is cut."""
        ctx = current_ctx()
        if ctx is None or not ctx.server.threads.is_busy:
            super().handle_quit(sig, frame)
            return
        self.alive, self._is_hurried = False, True
        ctx.hurry()
        ctx.kill_at_end()
        # not here: this thread may hold a lock of the request that it has left for the signal
        threading.Thread(target=ctx.expire, daemon=True).start()

    def run(self) -> None:
        """Serve; then, if the whole server stops in order, answer those that have connected."""
        super().run()
        waiting = []
        for listener in self.sockets:
            if noticeboard.own().server_stops and not self._is_hurried:
                waiting += [(listener, *accepted) for accepted in _accept_all(listener)]
        addresses = {listener: listener.getsockname() for listener in self.sockets}
        for listener in self.sockets:
            listener.close()
        ctx = current_ctx()
        end = time.monotonic() + LAST_WORDS + (0 if ctx is None else ctx.requests_left())
        for listener, client, address in waiting:
            self.notify()
            if time.monotonic() > end:
                self._turn_away(client, address)
            else:
                client.setblocking(True)
                self.handle(_Address(addresses[listener]), client, address)

    def _turn_away(self, client: Any, address: Any) -> None:
        """Answer somebody whose turn comes too late; without waiting, the model must be let go."""
        with contextlib.suppress(OSError):
            client.setblocking(False)
            # what was not read would reset the connection, and the answer be lost
            start = b"" if self.cfg.is_ssl else client.recv(LINGER_BYTES)
            if start:
                client.sendall(self.edge.refuse(NotReady(EXPIRED), start, address[0]))
        client.close()


class _Address:
    """What a connection needs to know of its listener, which may be closed already."""

    def __init__(self, address: Any) -> None:
        self._address = address

    def getsockname(self) -> Any:
        return self._address


def _accept_all(listener: Any) -> Iterator[tuple[Any, Any]]:
    while True:
        try:
            yield listener.accept()
        except OSError:
            return


class DrainingGevent(Draining):
    """For the worker with greenlets; kept connections that nobody uses end by themselves."""

    def keep_no_more(self) -> None:
        """As if keep-alive were off; connections that are kept already get their time."""
        self.cfg.set("keepalive", 0)

    def run(self) -> None:
        """Serve until SIGTERM, then until all connections are closed or time is over."""
        import gevent

        self.wait_for_turn(gevent.sleep)
        servers = [self._start_server(listener) for listener in self.sockets]
        while self.alive:
            self.notify()
            gevent.sleep(POLL_PERIOD * 4)
        for server in servers:
            self._end_server(server)
        end = time.monotonic() + self.cfg.graceful_timeout
        while any(server.pool for server in servers) and time.monotonic() < end:
            self.notify()
            gevent.sleep(POLL_PERIOD)

    def _start_server(self, listener: Any) -> Any:
        from gevent.pool import Pool
        from gunicorn.sock import ssl_context

        listener.setblocking(True)
        tls = {"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}
        pool = Pool(self.worker_connections)
        handle = partial(self.handle, _Address(listener.getsockname()))
        server = self.server_class(listener, handle=handle, spawn=pool, **tls)
        server.start()
        return server

    def _end_server(self, server: Any) -> None:
        server.stop_accepting()
        while noticeboard.own().server_stops and (accepted := server.do_read()):
            server.do_handle(*accepted)
        server.close()
