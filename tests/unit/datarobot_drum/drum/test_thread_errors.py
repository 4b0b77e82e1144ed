"""Exceptions that escape threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys, threading
from datarobot_drum.drum import thread_errors
from datarobot_drum.drum.exceptions import UnrecoverableError

logging.basicConfig()
thread_errors.end_on_unrecoverable()
thread_errors.end_on_unrecoverable()


def work():
    raise {error}("no more memory")


thread = threading.Thread(target=work)
thread.start()
thread.join()
print("goes on")
"""


@pytest.mark.parametrize(
    ("error", "code", "out"), [("UnrecoverableError", 1, ""), ("ValueError", 0, "goes on\n")]
)
def test_process_ends_only_of_an_unrecoverable_error(error, code, out):
    command = [sys.executable, "-c", PROGRAM.format(error=error)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, out)
    assert done.stderr.count("no more memory") == 1
