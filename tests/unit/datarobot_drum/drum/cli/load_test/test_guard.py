"""The guard ends its server when the command is gone, whatever the server makes of signals."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

GUARD = [sys.executable, "-P", "-m", "datarobot_drum.drum.cli.load_test.guard"]
STUBBORN = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print('up', flush=True)\n"
    "time.sleep(600)\n"
)


def test_server_that_ignores_the_signal_is_killed_with_its_children():
    process = subprocess.Popen(
        [*GUARD, sys.executable, "-c", STUBBORN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 2
    process.stdin.close()
    assert process.wait(60) == 256 - 9
    process.stdout.close()
    assert psutil.wait_procs(family, timeout=20)[1] == []


@pytest.mark.parametrize("code", [0, 3])
def test_guard_ends_as_its_server_does(code):
    command = [*GUARD, sys.executable, "-c", f"raise SystemExit({code})"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        assert process.wait(60) == code
