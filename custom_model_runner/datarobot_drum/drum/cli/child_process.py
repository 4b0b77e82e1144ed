"""Runs another program to its end: signals are passed on, and it does not outlive this process."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO

from datarobot_drum.drum.parent_death import signalled_at_death_of

PASSED_ON = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):  # it is not an error
    """The program ended after a signal was passed on to it."""

    def __init__(self, number: int, code: int) -> None:
        super().__init__(f"ended by signal {number}")
        self.number = number
        self.code = code


def run_child(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    stdout: IO[str] | None = None,
) -> int:
    """Run a program on this one's stdout (or another) and stderr, without stdin; its exit code.

    SIGINT and SIGTERM are passed on to it, the second time as SIGKILL; then Interrupted is raised
    when it has ended. It has a session of its own, so that a terminal's Ctrl+C comes once.
    """
    child = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        start_new_session=True,
        preexec_fn=signalled_at_death_of(os.getpid(), signal.SIGTERM),
    )
    with _passing_on(child) as received:
        code = child.wait()
    if received:
        raise Interrupted(received[0], code)
    return code


@contextmanager
def _passing_on(child: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    received: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(signal.SIGKILL if received else number)
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = [signal.signal(number, pass_on) for number in PASSED_ON]
    try:
        yield received
    finally:
        for number, handler in zip(PASSED_ON, before, strict=True):
            signal.signal(number, handler)
