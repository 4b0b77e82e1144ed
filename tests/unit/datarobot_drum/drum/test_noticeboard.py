"""What a worker writes, its parent reads."""

from __future__ import annotations

import subprocess
import sys

from datarobot_drum.drum import noticeboard

CHILD = """
import os
from datarobot_drum.drum import noticeboard

board = noticeboard.Noticeboard()
board.server_stops = True
if os.fork() == 0:
    noticeboard.take(board)
    noticeboard.own().ready = board.server_stops
    os._exit(0)
os.wait()
print(board.ready, board.leaving)
board.close()
"""


def test_notice_goes_from_a_child_to_its_parent_and_back():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_process_without_an_arbiter_has_a_board_of_its_own(monkeypatch):
    monkeypatch.setattr(noticeboard, "_own", [])
    noticeboard.own().leaving = True
    assert noticeboard.own().leaving
    assert not noticeboard.own().ready
