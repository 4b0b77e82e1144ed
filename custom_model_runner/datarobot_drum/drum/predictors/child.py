"""Runs model code of another language in a process of its own and talks to it through pipes."""

from __future__ import annotations

import logging
import math
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO

from datarobot_drum.drum.errors import HookError, InvalidInput, NotReady, Overloaded
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.predictors.frames import Frame, FrameReader, ProtocolError

#: A frame as it goes through a pipe.
Pieces = Sequence[bytes | memoryview]

logger = logging.getLogger("drum.child")

#: Runs in the child before the model's language starts: the kernel kills it when the thread that
#: started it ends, however that comes. (PR_SET_PDEATHSIG is 1; only Linux has it.)
LAUNCHER = """
import os, signal, sys
parent, argv = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the program that wanted this process has ended")
try:
    os.execvp(argv[0], argv)
except OSError as error:
    sys.exit(f"cannot run {argv[0]!r}: {error}")
"""

#: Bytes that are read or written at a time; what a pipe holds.
CHUNK = 1 << 16

TAIL_LINES = 20
LINE_LIMIT = 1 << 14

#: Seconds: for the last lines of a process that has ended, and between restarts at most.
LAST_LINES = 1.0
LONGEST_PAUSE = 60


class ChildDied(HookError):
    """The model process ended during a request, or could not be started again.

    Its last lines are for the log and for whoever starts it, not for clients.
    """

    def __init__(self, message: str, last_lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.last_lines = tuple(last_lines)

    def with_last_lines(self) -> str:
        """The message and what the process has written last."""
        return "\n".join([str(self), *self.last_lines])


class ChildError(HookError):
    """The model process answered that the operation failed; `kind` says in which way."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class ChildProcess:
    """A process that loads a model and answers one request at a time.

    `command` gets two arguments more: the file descriptors from which it reads requests and to
    which it writes answers. Its first request is `setup`, after each start. When it dies, the
    request it worked on fails, the next one starts it anew: the first time at once, then after
    pauses that double up to a minute until a request is answered again. `advice` says what to
    do about an end, by the last lines.
    """

    def __init__(
        self,
        command: Sequence[str],
        setup: Frame,
        *,
        name: str,
        env: Mapping[str, str] | None = None,
        advice: Callable[[Sequence[str]], str | None] = lambda last_lines: None,
    ) -> None:
        self._command = list(command)
        self._advice = advice
        self._setup = setup
        self._name = name
        self._env = None if env is None else dict(env)
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._is_closed = False
        self._deaths = 0
        self._next_start = 0.0

    def start(self) -> Frame:
        """Start it and return its answer to the setup request.

        ChildError when it answers that it failed, ChildDied when it ends instead; either way
        nothing keeps running.
        """
        with self._lock:
            return self._start()

    def request(self, header: Mapping[str, object], parts: Sequence[bytes] = ()) -> Frame:
        """Send a request and return the answer; waits while another request is running.

        ChildError when the operation failed, ChildDied when the process did, Overloaded while
        it may not be started again yet, InvalidInput when the header cannot be sent.
        """
        pieces = self._encoded(Frame(header, parts))
        with self._lock:
            if self._process is None:
                self._restart()
            answer = self._ask(pieces)
            self._deaths = 0
            return answer

    def terminate(self, grace: float = 5.0) -> None:
        """End the process and all it has started, by force after `grace` seconds.

        A request that is running fails. There is no way back.
        """
        self._is_closed = True
        process = self._process
        if process is not None:
            process.stop(grace)
        # whoever waits for an answer has been woken and gives the lock back at once
        if self._lock.acquire(timeout=grace):
            try:
                self._forget()
            finally:
                self._lock.release()

    def _encoded(self, frame: Frame) -> Pieces:
        try:
            return frame.encode()
        except ProtocolError as error:
            raise InvalidInput("the column names or headers are too long; shorten them") from error
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(
                f"a value cannot be sent to the {self._name} process: {error}; use texts, finite "
                "numbers, true, false, null, lists and objects"
            ) from error

    def _start(self) -> Frame:
        pieces = self._encoded(self._setup)
        self._process = Process(self._command, self._env, self._name)
        try:
            return self._ask(pieces)
        except BaseException:
            # also when it is to end while it starts: who ends it has not seen it yet
            self._forget()
            raise

    def _restart(self) -> None:
        if self._is_closed:
            raise NotReady(f"the {self._name} process was stopped")
        wait = self._next_start - time.monotonic()
        if wait > 0:
            raise Overloaded(
                f"the {self._name} process has ended {self._deaths} times in a row; "
                "it is started again soon, see the log for the cause",
                math.ceil(wait),
            )
        logger.warning("starting the %s process again", self._name)
        try:
            self._start()
        except ChildError as error:
            self._count_death()
            raise ChildDied(f"the {self._name} process cannot load the model: {error}") from error

    def _ask(self, pieces: Pieces) -> Frame:
        process = self._process
        if process is None or self._is_closed:
            raise NotReady(f"the {self._name} process was stopped")
        process.request_id = request_id.get()
        try:
            answer = process.exchange(pieces)
        except (EOFError, OSError, ProtocolError) as error:
            if isinstance(error, (EOFError, BrokenPipeError)):
                process.wait(LAST_LINES)  # it may be about to end by itself, which tells more
            process.stop(0)
            self._forget()
            if self._is_closed:
                raise NotReady(f"the {self._name} process was stopped") from error
            self._count_death()
            advice = self._advice(process.last_lines)
            said = [process.epitaph(error), *([advice] if advice else [])]
            died = ChildDied("; ".join(said), process.last_lines)
            logger.error("%s", died.with_last_lines())
            raise died from error
        except BaseException:
            # half a frame is in the pipe: nothing sensible can follow it
            process.stop(0)
            self._forget()
            raise
        if answer.header.get("status") != "ok":
            message = str(answer.header.get("message", "unknown error"))
            raise ChildError(message, str(answer.header.get("kind", "error")))
        return answer

    def _count_death(self) -> None:
        self._deaths += 1
        pause = 0 if self._deaths == 1 else min(2 ** (self._deaths - 2), LONGEST_PAUSE)
        self._next_start = time.monotonic() + pause

    def _forget(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


class Process:
    """One life of a child: its pipes, the thread that started it and waits for its end."""

    def __init__(self, command: list[str], env: Mapping[str, str] | None, name: str) -> None:
        self._name = name
        #: of the request that it answers, or has answered last: its lines may come a little later
        self.request_id = ""
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._started = threading.Event()
        self._ended = threading.Event()
        self._failure: OSError | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        # what it leaves there, perhaps a client's data, goes with it
        self._folder = _make_folder(name)
        if self._folder is not None:
            env = {**(os.environ if env is None else env), "TMPDIR": self._folder}
        child_in, self._requests = os.pipe()
        self._answers, child_out = os.pipe()
        self._bell, self._ring = os.pipe()
        for descriptor in (self._requests, self._answers):
            os.set_blocking(descriptor, False)
        # The kernel ends the child with the thread that started it, so that thread must live as
        # long: a prediction thread may not.
        keeper = threading.Thread(
            target=self._keep, args=(command, env, child_in, child_out), name=name, daemon=True
        )
        keeper.start()
        self._started.wait()

    def exchange(self, encoded: Pieces) -> Frame:
        """Send an encoded frame and receive one; EOFError when the process ends meanwhile.

        Writing and reading go on at the same time, so that neither side can block the other.
        """
        if self._failure is not None:
            raise self._failure
        pieces = deque(memoryview(piece).cast("B") for piece in encoded)
        reader = FrameReader()
        with selectors.DefaultSelector() as ready:
            ready.register(self._requests, selectors.EVENT_WRITE)
            ready.register(self._answers, selectors.EVENT_READ)
            ready.register(self._bell, selectors.EVENT_READ)
            while True:
                changed = {key.fd for key, _ in ready.select()}
                if self._requests in changed and not self._write(pieces):
                    ready.unregister(self._requests)
                if self._answers in changed:
                    answer = self._read(reader)
                    if answer is not None:
                        return _complete(answer, pieces)
                elif self._bell in changed:
                    raise EOFError

    def _write(self, pieces: deque[memoryview]) -> bool:
        """Write what the pipe takes; is there more?"""
        while pieces:
            try:
                count = os.write(self._requests, pieces[0][:CHUNK])
            except BlockingIOError:
                return True
            pieces[0] = pieces[0][count:]
            if not pieces[0]:
                pieces.popleft()
        return False

    def _read(self, reader: FrameReader) -> Frame | None:
        data = os.read(self._answers, CHUNK)
        if not data:
            raise EOFError
        return reader.feed(data)

    def wait(self, seconds: float) -> None:
        """Give it so many seconds to end."""
        self._ended.wait(seconds)

    def stop(self, grace: float) -> None:
        """End it, by force after `grace` seconds, and wait until it has ended."""
        if grace > 0:
            self._signal(signal.SIGTERM)
            self._ended.wait(grace)
        if not self._ended.is_set():
            self._signal(signal.SIGKILL)
            self._ended.wait()

    def close(self) -> None:
        """End it if it lives, give the pipes back and remove its temporary files.

        Not before its end is known: its keeper rings the bell, which would hit whatever has got
        the number of the closed pipe.
        """
        self.stop(0)
        for descriptor in (self._requests, self._answers, self._bell, self._ring):
            os.close(descriptor)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def epitaph(self, error: Exception) -> str:
        """What became of it, for a message; the process must have ended."""
        if isinstance(error, ProtocolError):
            return f"the {self._name} process broke the protocol: {error}"
        if self._popen is None:
            return f"the {self._name} process cannot be started: {self._failure}"
        return f"the {self._name} process ended with {_status(self._popen.returncode)}"

    @property
    def last_lines(self) -> list[str]:
        """What it has written last, on stdout and stderr."""
        return list(self._tail)

    def _keep(
        self,
        command: list[str],
        env: Mapping[str, str] | None,
        child_in: int,
        child_out: int,
    ) -> None:
        launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid())]
        try:
            self._popen = subprocess.Popen(
                [*launcher, *command, str(child_in), str(child_out)],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(child_in, child_out),
                start_new_session=True,
            )
        except OSError as error:
            self._failure = error
            self._ended.set()
        finally:
            os.close(child_in)
            os.close(child_out)
            self._started.set()
        if self._popen is not None:
            self._attend(self._popen)

    def _attend(self, popen: subprocess.Popen[bytes]) -> None:
        forwarders = [
            threading.Thread(target=self._forward, args=(stream, level), daemon=True)
            for stream, level in ((popen.stdout, logging.INFO), (popen.stderr, logging.WARNING))
        ]
        for thread in forwarders:
            thread.start()
        popen.wait()
        # what it has started itself must not outlive it
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
        for thread in forwarders:
            thread.join(LAST_LINES)
        # first the bell: once the end is known the pipes may be closed, and their numbers reused
        os.write(self._ring, b"\0")
        self._ended.set()

    def _forward(self, stream: IO[bytes], level: int) -> None:
        with stream:
            while line := stream.readline(LINE_LIMIT):
                text = line.decode("utf-8", "replace").rstrip()
                self._tail.append(text)
                request_id.set(self.request_id)
                logger.log(level, "%s: %s", self._name, text)

    def _signal(self, number: signal.Signals) -> None:
        popen = self._popen
        if popen is not None and popen.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(popen.pid, number)


def _make_folder(name: str) -> str | None:
    """A folder for temporary files of one process; None where nothing can be written."""
    try:
        return tempfile.mkdtemp(prefix=f"drum-{name}-")
    except OSError as error:
        logger.warning("the %s process gets no temporary folder: %s", name, error)
        return None


def _complete(answer: Frame, pieces: deque[memoryview]) -> Frame:
    if pieces:
        raise ProtocolError("an answer came before the request was read")
    return answer


def _status(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
