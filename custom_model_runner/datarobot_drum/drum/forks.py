"""Processes that a hook forks must die of signals; they would inherit the server's handlers.

Without this `multiprocessing.Pool` waits for ever for children that it has told to end.
"""

from __future__ import annotations

import os
import signal
import threading

#: What the development server, Gunicorn and Uvicorn handle.
SERVER_SIGNALS = frozenset(
    {
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGHUP,
        signal.SIGABRT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
    }
)

_state = threading.local()
_registered = threading.Event()


def free_children() -> None:
    """From now on forked children have the default handlers; calling it again does nothing."""
    if not _registered.is_set():
        _registered.set()
        os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_forget)


def hear_signals() -> None:
    """Let signals through that were blocked before the fork that made this process."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SERVER_SIGNALS)


def _block() -> None:
    # a signal that reaches the child before its handlers are reset must wait, or it is lost
    _state.mask = signal.pthread_sigmask(signal.SIG_BLOCK, SERVER_SIGNALS)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _state.mask)


def _forget() -> None:
    # the parent's wake-up pipe is shared: a byte in it would tell the parent to stop
    signal.set_wakeup_fd(-1)
    for number in SERVER_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _unblock()
