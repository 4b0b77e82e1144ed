"""Starts the process of the model, asks it with a deadline, and starts it anew after a crash."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from datarobot_drum.drum.cli.model_checks.verdict import Setup, Trial, Verdict, failed

WORKER = "datarobot_drum.drum.cli.model_checks.worker"
#: For the model to close what it holds.
STOP_SECONDS = 5.0
#: For a process that has closed its pipe and is on its way out.
ENDING_SECONDS = 2.0
LOOK_SECONDS = 0.5
CHUNK = 65536
#: How much of what the model printed is looked at for the last line.
TAIL_BYTES = 8192


class Supervisor:
    """A model in a process of its own, started when it is first needed; a context manager.

    `messages` receives all that the process prints.
    """

    def __init__(self, setup: Setup, messages: Path) -> None:
        self._setup = setup
        self._messages = messages
        self._process: subprocess.Popen[bytes] | None = None
        self._trials: BinaryIO | None = None
        self._verdicts = -1
        self._buffer = b""

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and error is None:
            with contextlib.suppress(OSError):
                self._send("")
            self._end(STOP_SECONDS)
        self._end()

    def ask(self, trial: Trial, seconds: float) -> Verdict:
        """The verdict on a trial; a crash or silence beyond the deadline is one, too."""
        deadline = time.monotonic() + seconds
        if self._process is None:
            self._start()
        try:
            self._send(trial.to_json())
            line = self._line(deadline)
        except TimeoutError:
            self._end()
            return failed(f"no answer within {seconds:.0f} s")
        except (OSError, EOFError):
            return failed(self._last_words())
        verdict = Verdict.from_json(line)
        if verdict.is_last:
            self._end(ENDING_SECONDS)
        return verdict

    def _start(self) -> None:
        trials_read, trials_write = os.pipe()
        verdicts_read, verdicts_write = os.pipe()
        theirs = (trials_read, verdicts_write)
        # -P: no module of the present folder may take the place of a library
        command = [sys.executable, "-P", "-m", WORKER, *map(str, theirs)]
        try:
            with self._messages.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=theirs,
                    start_new_session=True,
                )
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self._trials, self._verdicts, self._buffer = open(trials_write, "wb"), verdicts_read, b""
        with contextlib.suppress(OSError):  # told by the next line that is sent
            self._send(self._setup.to_json())

    def _send(self, line: str) -> None:
        if self._trials is None:
            raise EOFError
        self._trials.write(f"{line}\n".encode())
        self._trials.flush()

    def _line(self, deadline: float) -> str:
        """The next line; TimeoutError after the deadline, EOFError when the process is gone."""
        while b"\n" not in self._buffer:
            self._wait_for_data(deadline)
            chunk = os.read(self._verdicts, CHUNK)
            if not chunk:
                raise EOFError
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def _wait_for_data(self, deadline: float) -> None:
        """Return when there is something to read, if only the end.

        The end may never come: a child that the model forked holds the pipe open, too.
        """
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._verdicts], [], [], min(left, LOOK_SECONDS))[0]:
                return
            if self._process is None or self._process.poll() is not None:
                raise EOFError
        raise TimeoutError

    def _last_words(self) -> str:
        """Why the process is gone, as far as one can tell."""
        code = self._end(ENDING_SECONDS)
        if code < 0:
            hint = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
            return f"the process of the model was ended by {signal.strsignal(-code)}{hint}"
        said = last_line(self._messages)
        return f"the process of the model ended with exit code {code}" + (said and f": {said}")

    def _end(self, patience: float = 0.0) -> int:
        """Make sure that the process and all it started are gone; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        os.close(self._verdicts)
        if self._trials is not None:
            with contextlib.suppress(OSError):
                self._trials.close()
            self._trials = None
        return process.wait()


def last_line(file: Path) -> str:
    """The last line of a file that is not blank, without colours and such."""
    with contextlib.suppress(OSError), file.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - TAIL_BYTES))
        lines = stream.read().decode(errors="replace").splitlines()
        kept = [line.strip() for line in lines if line.strip()]
        return "".join(filter(str.isprintable, kept[-1])) if kept else ""
    return ""
