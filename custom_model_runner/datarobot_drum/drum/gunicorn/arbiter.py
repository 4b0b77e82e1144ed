"""Gunicorn's arbiter with our rules for starting, replacing and stopping workers.

Gunicorn's own stops a worker when its successor has been forked, not when it can serve; forks as
fast as workers die; and waits for old workers in the middle of its loop, deaf to signals.
"""

from __future__ import annotations

import math
import os
import signal
import time
from typing import Any

from gunicorn import sock
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from datarobot_drum.drum.forks import SERVER_SIGNALS
from datarobot_drum.drum.gunicorn import orphans
from datarobot_drum.drum.gunicorn.restarts import Restarts
from datarobot_drum.drum.worker import BOOT_FAILURE

#: Seconds after SIGINT or SIGQUIT until workers that are still there are killed.
QUICK_STOP = 4.0
#: Seconds at most that a stop waits for workers that load to let go of the socket.
DISMISSAL = 1.0
#: Seconds for the kernel to end killed workers.
LAST_REAP = 2.0
#: Seconds that workers get beyond their own limit, which should always be enough.
MARGIN = 2.0


class DrumArbiter(Arbiter):  # type: ignore[misc]  # the package has no types
    """Keeps `num_workers` workers in service.

    Workers that are due (after SIGHUP, or when they have served their number of requests) go one by
    one, each when its successor has loaded the model: memory for one more worker is needed. Workers
    that die before they are ready stop the server with exit code 3 at its start, and later when
    none that is ready is left; until then they are started again with growing pauses.
    """

    LISTENERS: list[Any]

    def __init__(self, app: Any) -> None:
        self.restarts = Restarts()
        self.is_stopping = False
        #: when workers that are to end are killed, by their process ids
        self._ending: dict[int, float] = {}
        self._due: set[int] = set()
        super().__init__(app)

    def start(self) -> None:
        """Become the parent of what workers leave behind, then start as Gunicorn does."""
        orphans.adopt()
        super().start()

    def _in_service(self) -> list[Any]:
        workers = sorted(self.WORKERS.values(), key=lambda worker: worker.age)
        return [w for w in workers if w.pid not in self._ending and not w.board.leaving]

    def _is_due(self, worker: Any) -> bool:
        return worker.pid in self._due or worker.board.wants_successor

    def manage_workers(self) -> None:
        """Start and stop workers so that there are always enough that serve."""
        if self.is_stopping:
            return
        self._kill_overdue()
        serving = self._in_service()
        due = [worker for worker in serving if self._is_due(worker)]
        fresh = [worker for worker in serving if not self._is_due(worker)]
        self.restarts.look_at(self.num_workers, serving)
        self._tell_who_serves()
        missing = self.num_workers - len(serving)
        if missing > 0:
            self._spawn(missing)
        elif due and not missing:
            self._spawn(1)
        elif missing < 0 and all(worker.board.ready for worker in fresh):
            self._retire((due or fresh)[0])

    def _tell_who_serves(self) -> None:
        serving = self._in_service()
        ready = [worker for worker in serving if worker.board.ready]
        for worker in serving:
            worker.board.must_wait = bool(ready)

    def spawn_workers(self) -> None:
        """Gunicorn's name for it."""
        self.manage_workers()

    def spawn_worker(self) -> Any:
        """As Gunicorn's; a signal to the new worker waits until it has its own handlers.

        Those of the arbiter, which it has first, would lose it: it would serve to the last limit.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SERVER_SIGNALS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _spawn(self, count: int) -> None:
        for _ in range(count):
            if self.restarts.may_start():
                try:
                    self.spawn_worker()
                except OSError as error:
                    self._cannot_start(error)

    def _cannot_start(self, error: OSError) -> None:
        """No worker, but those that are there shall go on: no memory, descriptor or room left."""
        self.log.error("no worker can be started: %s", error)
        self.restarts.note_failure(was_ready=False, started=time.monotonic())
        self._halt_if_hopeless()

    def _halt_if_hopeless(self) -> None:
        serves = any(other.board.ready for other in self._in_service())
        if self.restarts.is_hopeless(serves=serves):
            raise HaltServer("Worker failed to boot.", BOOT_FAILURE)

    def _retire(self, worker: Any) -> None:
        self.log.info("Worker (pid:%s) is replaced", worker.pid)
        self._let_end(worker)
        self.kill_worker(worker.pid, signal.SIGTERM)

    def _let_end(self, worker: Any) -> None:
        limit = self.cfg.graceful_timeout + MARGIN
        self._ending.setdefault(worker.pid, time.monotonic() + limit)

    def _kill_overdue(self) -> None:
        """Kill workers that should have ended; a hook in native code may hold them."""
        now = time.monotonic()
        for worker in self.WORKERS.values():
            if worker.board.leaving:
                self._let_end(worker)
        for pid in [pid for pid, end in self._ending.items() if end < now]:
            self.log.error("Worker (pid:%s) did not end in time and is killed", pid)
            self._ending[pid] = math.inf
            self.kill_worker(pid, signal.SIGKILL)

    def reload(self) -> None:
        """Read the configuration anew and let every worker be replaced; returns at once."""
        cfg = self.app.cfg
        try:
            self.app.reload()
        except SystemExit:
            # Gunicorn has told why
            self.log.error("reload refused: the configuration cannot be read; nothing changes")
            self.app.cfg = cfg
            return
        self._stats["reloads"] += 1
        self.setup(self.app)
        self.log.reopen_files()
        self.cfg.on_reload(self)
        self._due.update(worker.pid for worker in self._in_service())

    def handle_usr2(self) -> None:
        """A second arbiter beside this one is not offered: SIGHUP replaces workers without loss."""
        self.log.warning("USR2 is ignored; HUP replaces the workers")

    def reap_workers(self) -> None:
        """Take leave of workers that have ended; HaltServer when starting more would be no use."""
        self.restarts.look_at(self.num_workers, self._in_service())
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            worker = self.WORKERS.pop(pid, None)
            # as first process of a container it is the parent of all that others leave behind
            if worker is not None:
                self._take_leave(worker, os.waitstatus_to_exitcode(status))

    def _take_leave(self, worker: Any, code: int) -> None:
        self._ending.pop(worker.pid, None)
        self._due.discard(worker.pid)
        was_ready, was_leaving = worker.board.ready, worker.board.leaving
        worker.board.close()
        worker.tmp.close()
        self.cfg.child_exit(self, worker)
        orphans.end(self.WORKERS)
        if code in (0, -signal.SIGTERM) or self.is_stopping:
            return
        self.log.error("Worker (pid:%s) %s", worker.pid, _ending(code))
        if was_leaving:
            return
        if was_ready and code == BOOT_FAILURE:
            raise HaltServer("The model has given up.", BOOT_FAILURE)
        self.restarts.note_failure(was_ready=was_ready, started=worker.started)
        if not was_ready:
            self._halt_if_hopeless()

    def stop(self, graceful: bool = True) -> None:
        """End all workers: in order with SIGTERM, or at once; those that stay are killed."""
        self.is_stopping = True
        for worker in self.WORKERS.values():
            worker.board.server_stops = True
        # workers have the sockets, too, and listen for as long as they should
        sock.close_sockets(self.LISTENERS, not self.systemd)
        self.LISTENERS = []
        if graceful:
            self._dismiss_waiting()
        self.kill_workers(signal.SIGTERM if graceful else signal.SIGQUIT)
        limit = self.cfg.graceful_timeout + MARGIN if graceful else QUICK_STOP
        self._wait_for_workers(limit, graceful)
        self.kill_workers(signal.SIGKILL)
        self._wait_for_workers(LAST_REAP, graceful=False)
        orphans.end({})

    def _dismiss_waiting(self) -> None:
        """End workers that load while others serve before those others.

        They could not answer what reaches the socket they share, and if they were the last to
        close it, its connections would be lost.
        """
        self._tell_who_serves()
        loading = [w for w in self._in_service() if w.board.must_wait and not w.board.ready]
        for worker in loading:
            self.kill_worker(worker.pid, signal.SIGTERM)
        end = time.monotonic() + DISMISSAL
        while loading and time.monotonic() < end:
            time.sleep(0.005)
            self.reap_workers()
            loading = [w for w in self._in_service() if w in loading and not w.board.ready]

    def _wait_for_workers(self, seconds: float, graceful: bool) -> None:
        end = time.monotonic() + seconds
        while self.WORKERS and time.monotonic() < end:
            if graceful and self._is_hurried():
                self.log.info("Quick shutdown requested")
                graceful, end = False, time.monotonic() + QUICK_STOP
                self.kill_workers(signal.SIGQUIT)
            self.reap_workers()
            time.sleep(0.02)

    def _is_hurried(self) -> bool:
        return any(
            number in (signal.SIGINT, signal.SIGQUIT)
            for number in self.wait_for_signals(timeout=0.001)
        )


def _ending(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed (SIGKILL); perhaps the machine or container was out of memory"
    return f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"


class DrumApplication(WSGIApplication):  # type: ignore[misc]  # the package has no types
    """Gunicorn's application with our arbiter."""

    def run(self) -> None:
        """Never returns but by SystemExit."""
        DrumArbiter(self).run()


def main() -> None:
    """Be the arbiter that the command line describes, in Gunicorn's words."""
    DrumApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog="drum").run()
