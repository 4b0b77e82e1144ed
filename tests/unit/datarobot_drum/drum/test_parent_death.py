"""What ends a process whose parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from datarobot_drum.drum.parent_death import signalled_at_death_of

NOBODY = 2**22 + 1
#: Starts a process that holds stdout open, and ends.
ENDS = """
import subprocess
from datarobot_drum.drum.parent_death import end_with_group
subprocess.Popen(["sleep", "600"])
end_with_group()
"""


def test_group_ends_with_its_leader():
    process = subprocess.Popen(
        [sys.executable, "-c", ENDS], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.communicate(timeout=60)[0] == b""
    assert process.returncode == -signal.SIGKILL


def test_process_without_a_group_of_its_own_ends_alone():
    process = subprocess.run([sys.executable, "-c", ENDS.replace("600", "0")], check=False)
    assert process.returncode == 1


@pytest.mark.parametrize(("is_gone", "code"), [(True, -signal.SIGTERM), (False, 0)])
def test_parent_that_is_gone_already_is_noticed(is_gone, code):
    parent = NOBODY if is_gone else os.getpid()
    ask = signalled_at_death_of(parent, signal.SIGTERM)
    assert subprocess.run(["true"], preexec_fn=ask, check=False).returncode == code
