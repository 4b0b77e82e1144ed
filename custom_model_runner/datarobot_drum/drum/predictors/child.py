"""Runs model code of another language in a process of its own and talks to it through pipes."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from datarobot_drum.drum.errors import HookError, InvalidInput, NotReady, Overloaded
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.predictors.frames import Frame, ProtocolError
from datarobot_drum.drum.predictors.process import LAST_LINES, Pieces, Process

logger = logging.getLogger("drum.child")

#: Seconds between restarts at most.
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
