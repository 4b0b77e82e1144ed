"""The guard ends its program when the parent is gone, whatever that makes of signals."""

from __future__ import annotations

import os
import sys

import psutil
import pytest

from datarobot_drum.drum import guard

STUBBORN = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print('up', flush=True)\n"
    "time.sleep(600)\n"
)


def test_program_that_ignores_the_signal_is_killed_with_its_children():
    with guard.start([sys.executable, "-c", STUBBORN], dict(os.environ)) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "up\n"
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) == 2
        process.stdin.close()
        assert process.wait(60) == 128 + 9
    assert psutil.wait_procs(family, timeout=20)[1] == []


@pytest.mark.parametrize("code", [0, 3])
def test_guard_ends_as_its_program_does(code):
    arguments = [sys.executable, "-c", f"raise SystemExit({code})"]
    with guard.start(arguments, dict(os.environ)) as process:
        assert process.wait(60) == code
