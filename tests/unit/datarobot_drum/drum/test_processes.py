"""What model code has started ends with the process."""

from __future__ import annotations

import subprocess
import sys

# in a process of its own: it would end what the tests have started, too
PARENT = """
import multiprocessing.shared_memory, subprocess, sys, time
import psutil
from datarobot_drum.drum import processes

multiprocessing.shared_memory.SharedMemory(create=True, size=1).unlink()  # starts the tracker
deaf = "import signal as s, time; s.signal(15, s.SIG_IGN); print(1, flush=True); time.sleep(99)"
children = [
    subprocess.Popen(["sleep", "99"]),
    subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE),
    subprocess.Popen(["sleep", "99"], start_new_session=True),
]
children[1].stdout.readline()
processes.PATIENCE = 0.5
processes.end_children()
children[1].wait(9)
print([child.poll() is None for child in children])
print(sum("tracker" in " ".join(p.cmdline()) for p in psutil.Process().children()))
children[2].kill()
"""


def test_children_end_but_those_with_a_session_of_their_own_and_the_tracker():
    command = [sys.executable, "-c", PARENT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["[False, False, True]", "1"]
