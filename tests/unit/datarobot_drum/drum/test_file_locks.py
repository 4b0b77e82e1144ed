"""Locks between processes: waiting for one stops nothing else, and is told once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from datarobot_drum.drum.file_locks import take_lock


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


@pytest.fixture
def descriptor(path: str) -> Iterator[int]:
    opened = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    yield opened
    os.close(opened)


@pytest.fixture
def holder(path: str, descriptor: int) -> Iterator[int]:
    """Another opening of the file that holds the lock."""
    opened = os.open(path, os.O_RDWR)
    fcntl.flock(opened, fcntl.LOCK_EX)
    yield opened
    os.close(opened)


def test_free_lock_is_taken_without_a_word(descriptor, path, caplog):
    caplog.set_level("INFO")
    assert take_lock(descriptor, path)
    assert caplog.records == []


def test_held_lock_is_waited_for_in_pauses_of_the_caller(descriptor, path, holder, caplog):
    caplog.set_level("INFO")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            fcntl.flock(holder, fcntl.LOCK_UN)

    assert take_lock(descriptor, path, pause)
    assert pauses == [0.5] * 3
    assert [item.getMessage() for item in caplog.records] == [
        f"waiting for another process to release {path}"
    ]


def test_wait_ends_when_there_is_no_more_need(descriptor, path, holder):
    assert not take_lock(descriptor, path, lambda seconds: True)


def test_default_pause_is_the_one_that_gevent_replaces(descriptor, path, holder, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: fcntl.flock(holder, fcntl.LOCK_UN))
    assert take_lock(descriptor, path)
