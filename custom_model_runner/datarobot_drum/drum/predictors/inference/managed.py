"""The process of an inference server: started once, watched, restarted, ended."""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from datarobot_drum.drum import guard
from datarobot_drum.drum.errors import StartupError, UpstreamCrashed
from datarobot_drum.drum.file_locks import take_lock

logger = logging.getLogger("drum.inference")
#: What inference servers say themselves; shown at any --logging-level, as they show it.
output = logging.getLogger("drum.inference.output")

#: Seconds between two questions whether the server is ready.
READY_PERIOD = 0.5
#: Seconds that a guard has beyond its own patience.
GUARD_MARGIN = 5.0


@dataclass(frozen=True)
class RestartRules:
    """How often a server that died is started again, and how long to wait before.

    One that has been ready for `healthy_time` seconds begins with a clean slate.
    """

    max_restarts: int
    max_backoff: float
    healthy_time: float = 3600.0

    def backoff(self, restarts: int) -> float:
        """Seconds before the next start: 2, 4, 16, 256 and so on, up to the limit."""
        return float(min(2.0**2 ** min(restarts, 8), self.max_backoff))


@contextmanager
def file_lock(name: str) -> Iterator[None]:
    """Let one process of this user at a time be in the block, whatever program it runs.

    StartupError when the lock's file cannot be opened.
    """
    path = _lock_path(name)
    descriptor = _open_lock(path)
    try:
        take_lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _lock_path(name: str) -> str:
    return os.path.join(tempfile.gettempdir(), f"drum-{os.getuid()}-{name}.lock")


def _open_lock(path: str) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(
            f"cannot open {path}: {error.strerror}; set TMPDIR to a folder for temporary files"
        ) from error


class ManagedServer:
    """One inference server, whichever of the workers owns it.

    Each worker has one of these and tries to become the owner; when the owner ends, another one
    takes over. `on_ready` is called once, in the owner.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        rules: RestartRules,
        is_ready: Callable[[], bool],
        lock_name: str,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._arguments = list(arguments)
        self._environment = dict(environment)
        self._rules = rules
        self._is_ready = is_ready
        self._lock_path = _lock_path(lock_name)
        self._lock = -1
        self._on_ready = on_ready
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._ready_since: float | None = None
        self._failure: StartupError | None = None
        self._notify: Callable[[StartupError], None] | None = None
        self._thread = threading.Thread(target=self._run, name="inference server", daemon=True)

    def start(self) -> None:
        """Own the server, or wait until its owner is gone; returns at once.

        StartupError when the file that tells who owns it cannot be opened.
        """
        self._lock = _open_lock(self._lock_path)
        output.setLevel(logging.INFO)
        self._thread.start()

    def when_failed(self, notify: Callable[[StartupError], None]) -> None:
        """Call `notify` when the server has died for good; at once if it has."""
        with self._changing:
            self._notify = notify
            failure = self._failure
        if failure is not None:
            notify(failure)

    def wait_until_ready(self) -> None:
        """Block until the server is ready; UpstreamCrashed when it never will be."""
        while not self._is_ready():
            if self._failure is not None:
                raise UpstreamCrashed(str(self._failure))
            self._stopping.wait(READY_PERIOD)

    def stop(self) -> None:
        """End the server if this worker owns it: SIGTERM, and SIGKILL 10 seconds later."""
        self._stopping.set()
        with self._changing:
            process = self._process
        if process is not None:
            _end(process)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(GUARD_MARGIN)

    def _run(self) -> None:
        try:
            if self._own():
                self._keep_alive()
        except Exception:
            # such as no process or thread to be had
            logger.exception("cannot watch the %s server", self._name)
            self._give_up()
        finally:
            # after a failure the other workers must not begin anew
            if self._failure is None:
                os.close(self._lock)

    def _own(self) -> bool:
        if self._stopping.is_set():
            return False
        return take_lock(self._lock, self._lock_path, self._stopping.wait)

    def _keep_alive(self) -> None:
        restarts = 0
        while (code := self._run_once()) is not None:
            if self._was_healthy():
                restarts = 0
            if restarts == self._rules.max_restarts:
                logger.error("the %s server ended with exit code %d too often", self._name, code)
                self._give_up()
                return
            pause = self._rules.backoff(restarts)
            restarts += 1
            logger.error(
                "the %s server ended with exit code %d; restart %d of %d in %.0f s",
                self._name,
                code,
                restarts,
                self._rules.max_restarts,
                pause,
            )
            if self._stopping.wait(pause):
                return

    def _was_healthy(self) -> bool:
        # a long start alone is none: a server may always die at the end of it
        return (
            self._ready_since is not None
            and time.monotonic() - self._ready_since >= self._rules.healthy_time
        )

    def _run_once(self) -> int | None:
        """The exit code of the server, or None when it was ended on purpose."""
        with self._changing:
            if self._stopping.is_set():
                return None
            self._ready_since = None
            process = self._process = guard.start(self._arguments, self._environment)
        logger.info("started the %s server, guarded by process %d", self._name, process.pid)
        threads = [
            threading.Thread(target=work, args=(process,), daemon=True)
            for work in (self._log_output, self._tell_when_ready)
        ]
        for thread in threads:
            thread.start()
        code = process.wait()
        _close_stdin(process)
        for thread in threads:
            # something that the server left behind may hold its output open
            thread.join(GUARD_MARGIN)
        return None if self._stopping.is_set() else code

    def _log_output(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        with process.stdout as lines:
            for line in lines:
                output.info("%s: %s", self._name, line.rstrip())

    def _tell_when_ready(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None and not self._stopping.is_set():
            if self._is_ready():
                self._ready_since = time.monotonic()
                logger.info("the %s server is ready", self._name)
                self._on_ready()
                return
            self._stopping.wait(READY_PERIOD)

    def _give_up(self) -> None:
        with self._changing:
            failure = self._failure = UpstreamCrashed(f"{self._name} has crashed.")
            notify, process = self._notify, self._process
        if process is not None and process.poll() is None:
            _end(process)
            _close_stdin(process)
            if process.stdout is not None:
                process.stdout.close()
        if notify is not None:
            notify(failure)


def _close_stdin(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        # a program that ended at once has not read what it was told
        with suppress(BrokenPipeError):
            process.stdin.close()


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(guard.PATIENCE + GUARD_MARGIN)
    except subprocess.TimeoutExpired:
        logger.exception("the inference server did not end; it is killed")
        process.kill()
