"""Runs another program to its end: signals are passed on, and it does not outlive this process."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO

PASSED_ON = (signal.SIGINT, signal.SIGTERM)
#: prctl's request for a signal when the parent dies (linux/prctl.h)
PR_SET_PDEATHSIG = 1


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
        preexec_fn=_dies_with(os.getpid()),
    )
    with _passing_on(child) as received:
        code = child.wait()
    if received:
        raise Interrupted(received[0], code)
    return code


def _dies_with(parent: int) -> Callable[[], None]:
    """What a child runs first: it is told to end when its parent is killed."""
    libc = ctypes.CDLL(None)

    def ask() -> None:
        prctl = getattr(libc, "prctl", None)
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return ask


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
