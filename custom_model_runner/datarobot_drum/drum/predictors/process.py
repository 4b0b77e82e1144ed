"""One life of a model process: how it is started, talked to and ended."""

from __future__ import annotations

import logging
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

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

#: Seconds for the last lines of a process that has ended.
LAST_LINES = 1.0


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
