"""SIGTERM ends a command as Ctrl+C does."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from datarobot_drum.drum.cli.interrupts import sigterm_as_interrupt


def test_sigterm_is_an_interrupt_inside_and_what_it_was_after():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_as_interrupt():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_thread_leaves_signals_alone():
    seen = []

    def use():
        with sigterm_as_interrupt():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
