"""A process that starts a program, and ends it when its own parent is gone: `python -m ...guard`.

Its first line on stdin is a JSON object with the program's `arguments` and `environment`, which
so are on no command line; the end of stdin tells that the parent has died, even of SIGKILL.
Only the standard library and what is as small are imported, or each guard would cost megabytes.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from types import FrameType

from datarobot_drum.drum.parent_death import signalled_at_death_of

#: Seconds between SIGTERM and SIGKILL.
PATIENCE = 10.0
#: Seconds between two looks at the program and at the parent.
PERIOD = 0.2
CANNOT_START = 127


class Guard:
    """One program in a process group of its own."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._parent = os.getppid()
        self._stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._program = subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            # the last resort, for a guard that is killed itself; this process has one thread
            preexec_fn=signalled_at_death_of(os.getpid(), signal.SIGKILL),
        )

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def watch(self) -> int:
        """Wait for the program, or for a reason to end it; its exit code."""
        while self._program.poll() is None and not self._must_stop():
            continue
        if self._program.poll() is None:
            self._signal_group(signal.SIGTERM)
            try:
                self._program.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
        # what it has started must not outlive it
        self._signal_group(signal.SIGKILL)
        code = self._program.wait()
        return code if code >= 0 else 128 - code

    def _must_stop(self) -> bool:
        readable, _, _ = select.select([sys.stdin], [], [], PERIOD)
        has_ended = bool(readable) and not os.read(sys.stdin.fileno(), 1)
        return self._stopping or has_ended or os.getppid() != self._parent

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self._program.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def start(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """A guard that runs a program, with the program's output as its own.

    Its stdin must stay open: the end of it tells the guard that this process is gone.
    """
    # -P: the model folder may be the working directory and hold any module
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    told = json.dumps({"arguments": arguments, "environment": environment})
    assert process.stdin is not None  # noqa: S101  # it is a pipe
    try:
        process.stdin.write(f"{told}\n")
        process.stdin.flush()
    except BrokenPipeError:
        # it has ended already; whoever waits for it sees that
        return process
    return process


def main() -> int:
    """Run the program that stdin describes; 127 when it cannot be started."""
    line = bytearray()
    while not line.endswith(b"\n"):
        # byte by byte: what follows must stay where `select` sees it
        piece = os.read(sys.stdin.fileno(), 1)
        if not piece:
            return CANNOT_START
        line += piece
    told = json.loads(line)
    try:
        guard = Guard(told["arguments"], told["environment"])
    except OSError as error:
        sys.stderr.write(f"cannot start {told['arguments'][0]}: {error.strerror}\n")
        return CANNOT_START
    return guard.watch()


if __name__ == "__main__":
    sys.exit(main())
