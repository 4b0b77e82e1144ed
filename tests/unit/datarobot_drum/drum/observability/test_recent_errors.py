"""The rings of recent errors: what is kept, and that processes share them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from datarobot_drum.drum.observability import recent_errors
from datarobot_drum.drum.observability.recent_errors import KEPT, LONGEST_MESSAGE, RecentErrors
from datarobot_drum.drum.observability.record import Record


def record(status: int, id: str = "id", **fields: Any) -> Record:
    made = Record(id, "POST", "/predict/")
    made.status, made.route, made.operation = status, "/predict/", "predict"
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def ids(errors: RecentErrors) -> list[str]:
    return [entry["requestId"] for entry in errors.entries()]


def test_entry_tells_what_went_wrong() -> None:
    errors = RecentErrors()
    errors.note(record(500, "one", error="no luck", seconds=0.12345))
    (entry,) = errors.entries()
    assert entry.pop("time") == pytest.approx(errors.started, abs=60)
    assert entry == {
        "method": "POST",
        "route": "/predict/",
        "status": 500,
        "requestId": "one",
        "message": "no luck",
        "seconds": 0.1235,
        "incomplete": False,
        "worker": os.getpid(),
    }


@pytest.mark.parametrize(
    ("status", "fields", "kept"),
    [
        (200, {}, False),
        (301, {}, False),
        (400, {}, True),
        (599, {}, True),
        (200, {"failed": True}, True),
        (0, {}, True),
        (503, {"operation": "readyz"}, False),
        (513, {"operation": "ping"}, False),
        (500, {"operation": ""}, True),
    ],
)
def test_only_requests_that_went_wrong_are_kept(
    status: int, fields: dict[str, Any], kept: bool
) -> None:
    errors = RecentErrors()
    errors.note(record(status, **fields))
    assert len(errors.entries()) == kept


def test_the_latest_come_first_and_the_oldest_go() -> None:
    errors = RecentErrors()
    for number in range(KEPT + 7):
        errors.note(record(500, str(number)))
    assert ids(errors) == [str(number) for number in reversed(range(7, KEPT + 7))]


def test_refused_requests_push_out_no_failure() -> None:
    errors = RecentErrors()
    errors.note(record(500, "failure"))
    for _ in range(3 * KEPT):
        errors.note(record(404, "scanner"))
    assert ids(errors) == ["scanner"] * KEPT + ["failure"]


@pytest.mark.parametrize("character", ["x", "\0", "\u2028", "\U0001f600", '"', "\ud800"])
def test_long_message_is_cut_and_fits(character: str) -> None:
    errors = RecentErrors()
    errors.note(record(500, "r" * 128, error=character * 10_000, method="M" * 10_000))
    (entry,) = errors.entries()
    assert entry["message"] == character * LONGEST_MESSAGE


def test_entry_that_is_half_written_is_not_shown() -> None:
    errors = RecentErrors()
    for id in ("whole", "half"):
        errors.note(record(500, id))
    start = recent_errors.FIRST_SLOT + recent_errors.SLOT + recent_errors.ENTRY.size
    errors._memory[start + 5 : start + 8] = b"???"
    assert ids(errors) == ["whole"]


def test_threads_lose_no_entry_of_each_other() -> None:
    errors = RecentErrors()

    def fail() -> None:
        for _ in range(10):
            errors.note(record(500))

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors.entries()) == 40


FORKS = """
import os
from datarobot_drum.drum.observability import recent_errors
from datarobot_drum.drum.observability.record import Record

def fail(status):
    for _ in range(12):
        record = Record("id", "GET", "/")
        record.status = status
        recent_errors.shared_or_own().note(record)

recent_errors.share()
recent_errors.share()
for number in range(4):
    if os.fork() == 0:
        fail(500 + number)
        os._exit(0)
for _ in range(4):
    os.wait()
print(sorted(entry["status"] for entry in recent_errors.shared_or_own().entries()))
"""


def test_processes_see_the_errors_of_all() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([status for status in range(500, 504) for _ in range(12)])


def test_process_without_a_parent_that_shares_has_its_own() -> None:
    assert recent_errors.shared_or_own() is not recent_errors.shared_or_own()


HOLD = """
import fcntl, sys
fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_process_that_was_stopped_holds_nobody_up() -> None:
    errors = RecentErrors()
    descriptor = errors._descriptor
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(descriptor)],
        pass_fds=[descriptor],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        errors.note(record(500, "kept all the same"))
        holder.communicate()
    assert ids(errors) == ["kept all the same"]


def test_system_without_memory_files_uses_a_temporary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    errors = RecentErrors()
    errors.note(record(500, "one"))
    assert ids(errors) == ["one"]
