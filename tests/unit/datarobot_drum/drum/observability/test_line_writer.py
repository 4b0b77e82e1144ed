"""Whole lines, whoever reads them and however slowly."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from datarobot_drum.drum.observability import line_writer
from datarobot_drum.drum.observability.line_writer import LineWriter

PATIENCE = 10.0
LINE = b"x" * 99 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe of the least size, reader first; a reader may close its end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            continue


def start(descriptor: int) -> LineWriter[bytes]:
    """A writer of lines as they are."""
    return LineWriter(lambda line: line, descriptor)


def read_lines(reader: int, count: int) -> list[bytes]:
    """So many lines."""
    data = b""
    while data.count(b"\n") < count:
        data += os.read(reader, 65536)
    return data.splitlines()


def test_lines_come_in_their_order(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = start(writer)
    for number in range(1000):
        log.put(b"%d\n" % number)
    assert read_lines(reader, 1000) == [b"%d" % number for number in range(1000)]
    log.stop()


def test_put_never_waits_for_a_reader_that_stalls(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(line_writer, "MOST_WAITING", 200)
    reader, writer = pipe
    log = start(writer)
    started = time.monotonic()
    for _ in range(1000):
        log.put(LINE)
    assert time.monotonic() - started < 1
    kept = read_lines(reader, 200)
    log.stop()
    assert set(kept) == {LINE.strip()}
    assert "800 lines of the access log were dropped" in caplog.text


def test_lines_that_waited_are_written_when_the_reader_goes_on(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = start(writer)
    for _ in range(500):
        log.put(LINE)
    time.sleep(4 * line_writer.GATHER)
    assert len(read_lines(reader, 500)) == 500
    log.stop()


def test_stop_does_not_wait_for_ever(pipe: tuple[int, int]) -> None:
    log = start(pipe[1])
    for _ in range(500):
        log.put(LINE)
    started = time.monotonic()
    log.stop()
    assert time.monotonic() - started < 2 * line_writer.LAST_WAIT
    assert not log._thread.is_alive()


def test_reader_that_has_gone_ends_the_writing(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = pipe
    os.close(reader)
    log = start(writer)
    for _ in range(100):
        log.put(LINE)
    log.stop()
    log.put(LINE)
    assert caplog.text.count("the access log ends") == 1
    assert not log._lines


def test_closed_stdout_is_no_error(pipe: tuple[int, int], caplog: pytest.LogCaptureFixture) -> None:
    os.close(pipe[1])
    log = start(pipe[1])
    log.put(LINE)
    log.stop()
    assert "the access log ends" in caplog.text


def test_lines_never_go_to_a_file_that_gets_the_number_of_a_closed_stdout(
    pipe: tuple[int, int], tmp_path: Path
) -> None:
    reader, writer = pipe
    stdout = os.dup(writer)
    log = start(stdout)
    os.close(stdout)
    with (tmp_path / "client").open("wb") as client:
        assert client.fileno() == stdout
        log.put(LINE)
        log.stop()
        log.stop()
    assert read_lines(reader, 1) == [LINE.strip()]
    assert (tmp_path / "client").read_bytes() == b""


def test_file_that_takes_nothing_now_is_asked_again(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    # as another process may fill the pipe in between
    monkeypatch.setattr(line_writer, "_is_writable", lambda descriptor: True)
    log = start(writer)
    for _ in range(500):
        log.put(LINE)
    time.sleep(4 * line_writer.GATHER)
    assert set(read_lines(reader, 500)) == {LINE.strip()}
    log.stop()


def test_full_disk_costs_lines_until_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    with open("/dev/full", "wb") as full:
        log = start(full.fileno())
        log.put(LINE)
        log.put(LINE)
        log.stop()
    assert "2 lines of the access log were dropped ([Errno 28]" in caplog.text
    assert not log._is_broken


PROCESS = """
import sys
from datarobot_drum.drum.observability.line_writer import LineWriter
log = LineWriter(lambda line: line, 1)
for number in range(3000):
    log.put(sys.argv[1].encode() * (number % 300 + 1) + b"\\n")
log.stop()
"""


def test_lines_of_several_processes_do_not_mix() -> None:
    command = " & ".join(f'"$0" -c "$1" {letter}' for letter in "abc") + "; wait"
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, PROCESS], capture_output=True, timeout=60, check=True
    )
    lines = done.stdout.splitlines()
    assert Counter(line[:1] for line in lines) == {b"a": 3000, b"b": 3000, b"c": 3000}
    assert all(len(set(line)) == 1 for line in lines)
