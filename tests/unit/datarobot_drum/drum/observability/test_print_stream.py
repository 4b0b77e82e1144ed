"""What model code prints, whoever reads it and however slowly."""

from __future__ import annotations

import errno
import fcntl
import io
import os
from collections.abc import Iterator
from typing import Any

import pytest

from datarobot_drum.drum.observability import print_stream
from datarobot_drum.drum.observability.print_stream import PrintOutput

SIZE = 4096
LINES = b"".join(b"%05d\n" % number for number in range(2_000))


class Pipe:
    """A pipe of the least size, and an output that writes to it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, SIZE)
        self.waits = 0
        self.output = PrintOutput(self.writer, on_wait=self.count)

    def count(self) -> None:
        self.waits += 1

    def read(self) -> bytes:
        return os.read(self.reader, 1 << 20)

    def close(self) -> None:
        for end in (self.reader, self.writer):
            try:
                os.close(end)
            except OSError:
                continue


@pytest.fixture(params=["nowait", "poll"])
def pipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """With a kernel that can write to a pipe without waiting, and with one that cannot."""
    if request.param == "poll":
        monkeypatch.setattr(os, "pwritev", refuse(errno.EOPNOTSUPP), raising=False)
    pipe = Pipe()
    yield pipe
    pipe.close()


def refuse(number: int) -> Any:
    def write(*args: Any) -> int:
        raise OSError(number, os.strerror(number))

    return write


def test_bytes_are_written_at_once(pipe: Pipe) -> None:
    assert pipe.output.write(memoryview(b"ab")) == 2
    assert pipe.read() == b"ab"
    assert not pipe.waits


def test_reader_that_stalls_gets_all_when_it_goes_on(pipe: Pipe) -> None:
    assert pipe.output.write(LINES) == len(LINES)
    pipe.output.write(b"end")
    assert pipe.waits == 1
    shown = b""
    while pipe.output.waiting:
        shown += pipe.read()
        pipe.output.flush()
    assert shown + pipe.read() == LINES + b"end"


def test_long_text_is_cut_at_line_ends(pipe: Pipe) -> None:
    pipe.output.write(LINES)
    assert pipe.read().endswith(b"\n")


def test_line_longer_than_a_piece_is_cut(pipe: Pipe) -> None:
    pipe.output.write(b"x" * 5000)
    assert len(pipe.read()) == SIZE


def test_too_much_is_dropped_and_told_once_the_reader_goes_on(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipe.output, "_room", 8_000)
    for _ in range(5):
        pipe.output.write(b"x" * 3_000)
    pipe.output.look()
    assert "dropped" not in caplog.text
    while pipe.output.waiting:
        pipe.read()
        pipe.output.flush()
    pipe.output.look()
    pipe.output.look()
    assert caplog.text.count("6000 bytes of prints were dropped (it is not read)") == 1


@pytest.mark.parametrize("ending", ["reader", "writer"])
def test_end_of_the_pipe_is_no_error_and_told_once(
    ending: str, pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    os.close(getattr(pipe, ending))
    for _ in range(2):
        assert pipe.output.write(b"lost") == 4
        pipe.output.look()
    assert caplog.text.count("prints are lost from now on") == 1
    assert not pipe.output.waiting


def test_full_disk_loses_what_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open("/dev/full", "wb") as disk:
        output = PrintOutput(disk.fileno())
        output.write(b"lost")
        output.look()
    assert "4 bytes of prints were dropped" in caplog.text
    assert "No space left" in caplog.text


def test_nothing_waits_after_the_end(pipe: Pipe) -> None:
    pipe.output.write(b"x" * 5000)
    pipe.output.end()
    waiting = pipe.output.waiting
    pipe.output.write(b"lost")
    assert pipe.output.waiting == waiting > 0


def test_close_closes_nothing(pipe: Pipe) -> None:
    pipe.output.close()
    pipe.output.write(b"still there")
    assert pipe.read() == b"still there"


def test_forked_child_writes_by_itself(pipe: Pipe) -> None:
    text, output = made(pipe)
    output.write(b"x" * 5000)
    child = os.fork()
    if not child:
        text.write("from a child\n")
        os._exit(0)
    shown = b""
    while b"from a child\n" not in shown:
        shown += pipe.read()
    os.waitpid(child, 0)
    output.flush()
    assert pipe.read() == b"x" * 904


def made(pipe: Pipe) -> tuple[io.TextIOWrapper, PrintOutput]:
    with open(pipe.writer, "w", encoding="latin-1", closefd=False) as stream:
        found = print_stream.print_stream(stream)
    assert found is not None
    return found


def test_text_is_encoded_as_before_and_lines_are_shown_at_once(pipe: Pipe) -> None:
    text, output = made(pipe)
    print("é\nhalf", end="", file=text)
    assert pipe.read() == b"\xe9\nhalf"
    print("half", end="", file=text)
    text.flush()
    assert pipe.read() == b"half"
    assert (text.fileno(), text.isatty(), text.name) == (pipe.writer, False, pipe.writer)


def test_stream_without_a_descriptor_is_not_replaced() -> None:
    assert print_stream.print_stream(io.TextIOWrapper(io.BytesIO())) is None


def test_what_has_become_a_file_is_written_as_one(pipe: Pipe, tmp_path: Any) -> None:
    with open(tmp_path / "file", "wb") as file:
        os.dup2(file.fileno(), pipe.writer)
    pipe.output.look()
    pipe.output.write(b"in a file")
    assert (tmp_path / "file").read_bytes() == b"in a file"


def test_failure_that_is_not_about_waiting_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = Pipe()
    monkeypatch.setattr(os, "pwritev", refuse(errno.EIO))
    pipe.output.write(b"lost")
    pipe.output.look()
    pipe.close()
    assert "Input/output error" in caplog.text
