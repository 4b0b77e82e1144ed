"""A child gets the signals of its parent and does not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from datarobot_drum.drum.cli.child_process import Interrupted, run_child

#: tells that it runs, then waits; a signal that it knows ends it with a code
CHILD = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
signal.signal(signal.SIGINT, {on_interrupt})
pathlib.Path({place!r}).touch()
time.sleep(60)
"""


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def child(place: Path, on_interrupt: str = "lambda *_: sys.exit(8)") -> list[str]:
    return [sys.executable, "-c", CHILD.format(place=str(place), on_interrupt=on_interrupt)]


def signals(place: Path, *numbers: int) -> threading.Thread:
    """Send signals to this process once the child runs."""

    def send() -> None:
        wait_for(place)
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0.2)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("code", [0, 3])
def test_exit_code_is_that_of_the_child(code: int):
    assert run_child([sys.executable, "-c", f"import sys; sys.exit({code})"]) == code


def test_child_gets_the_environment_that_is_told():
    code = "import os, sys; sys.exit(sorted(os.environ) not in (['A'], ['A', 'LC_CTYPE']))"
    assert run_child([sys.executable, "-c", code], {"A": "1"}) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 7), (signal.SIGINT, 8)])
def test_signal_is_passed_on(number: int, code: int, tmp_path: Path):
    before = signal.getsignal(number)
    sender = signals(tmp_path / "runs", number)
    with pytest.raises(Interrupted) as interrupted:
        run_child(child(tmp_path / "runs"))
    sender.join()
    assert (interrupted.value.number, interrupted.value.code) == (number, code)
    assert signal.getsignal(number) is before


def test_second_signal_kills_a_child_that_does_not_end(tmp_path: Path):
    sender = signals(tmp_path / "runs", signal.SIGINT, signal.SIGINT)
    with pytest.raises(Interrupted) as interrupted:
        run_child(child(tmp_path / "runs", "signal.SIG_IGN"))
    sender.join()
    assert interrupted.value.code == -signal.SIGKILL


def test_child_runs_from_another_thread_too():
    codes: list[int] = []
    command = [sys.executable, "-c", "import sys; sys.exit(4)"]
    thread = threading.Thread(target=lambda: codes.append(run_child(command)))
    thread.start()
    thread.join(30)
    assert codes == [4]


def test_child_ends_when_its_parent_is_killed(tmp_path: Path):
    ended = tmp_path / "ended"
    inner = (
        "import pathlib, signal, sys, time\n"
        f"def end(*_): pathlib.Path({str(ended)!r}).touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"pathlib.Path({str(tmp_path / 'runs')!r}).touch()\n"
        "time.sleep(60)\n"
    )
    outer = (
        "import sys\n"
        "from datarobot_drum.drum.cli.child_process import run_child\n"
        f"run_child([sys.executable, '-c', {inner!r}])\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", outer])
    wait_for(tmp_path / "runs")
    parent.kill()
    parent.wait(10)
    wait_for(ended)
