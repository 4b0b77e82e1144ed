"""The flusher: what it shows and when, and what hooks may do to stdout."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

import pytest

from datarobot_drum.drum.root_predictors import stdout_flusher
from datarobot_drum.drum.root_predictors.stdout_flusher import (
    StdoutFlusher,
    StdoutFlusherApp,
    StdoutFlusherMiddleware,
)

NEVER = 1000.0
SOON = 0.01


class Reader:
    """The end of a pipe that reads what is printed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def read(self) -> str:
        """All that has come."""
        try:
            return os.read(self._descriptor, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def wait_for(self, text: str) -> None:
        """Return when just that has come."""
        shown, end = "", time.monotonic() + 20
        while shown != text:
            shown += self.read()
            assert time.monotonic() < end, shown
            time.sleep(0.002)


def say(text: str, end: str = "\n") -> None:
    sys.stdout.write(f"{text}{end}")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    yield ends
    os.close(ends[0])


@pytest.fixture
def reader(pipe: tuple[int, int]) -> Reader:
    """Reads what goes to stdout."""
    return Reader(pipe[0])


@pytest.fixture
def stdout(pipe: tuple[int, int]) -> Iterator[TextIO]:
    """It is block-buffered and a pipe."""
    with open(pipe[1], "w") as stream:
        yield stream


@pytest.fixture
def start(stdout: TextIO, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    flushers: list[StdoutFlusher] = []

    def start(period: float) -> StdoutFlusher:
        # here, because pytest has a stdout of its own for each phase of a test
        monkeypatch.setattr(sys, "stdout", stdout)
        flushers.append(StdoutFlusher(period))
        flushers[-1].start()
        return flushers[-1]

    yield start
    for flusher in flushers:
        flusher.stop()


def test_whole_line_is_shown_at_once(start: Any, reader: Reader) -> None:
    start(NEVER)
    say("a line")
    assert reader.read() == "a line\n"


def test_text_without_a_line_end_is_shown_after_the_period(start: Any, reader: Reader) -> None:
    start(SOON)
    for text in ("a", "b"):
        say(text, end="")
        reader.wait_for(text)


def test_text_without_a_line_end_is_shown_when_a_request_ends(start: Any, reader: Reader) -> None:
    flusher = start(NEVER)
    say("half", end="")
    assert reader.read() == ""
    flusher.set_last_activity_time()
    assert reader.read() == "half"


def test_what_was_printed_before_comes_first(start: Any, stdout: TextIO, reader: Reader) -> None:
    stdout.write("first")
    start(NEVER)
    say("second")
    assert reader.read() == "firstsecond\n"


def test_stalled_reader_stops_no_print_and_gets_all_later(start: Any, reader: Reader) -> None:
    start(NEVER)
    text = "0123456789" * 5_000
    say(text)
    reader.wait_for(f"{text}\n")


class Unusable:
    """What a hook might put in the place of stdout."""

    def flush(self) -> None:
        raise RuntimeError("no")


@pytest.mark.parametrize("other", [Unusable(), None, io.StringIO()])
def test_stdout_that_cannot_be_flushed_does_not_end_the_flusher(
    other: Any, start: Any, reader: Reader
) -> None:
    flusher, stream = start(SOON), sys.stdout
    sys.stdout = other
    stream.write("half")
    reader.wait_for("half")
    assert flusher.is_alive()


def test_stdout_of_a_hook_is_flushed_and_stays(
    start: Any, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    flusher = start(SOON)
    with open(os.dup(sys.stdout.fileno()), "w") as own:
        monkeypatch.setattr(sys, "stdout", own)
        say("buffered")
        reader.wait_for("buffered\n")
        flusher.stop()
        assert sys.stdout is own


@pytest.mark.parametrize("end", ["close", "detach"])
def test_stdout_that_was_given_up_is_no_error(end: str, start: Any, reader: Reader) -> None:
    flusher = start(SOON)
    getattr(sys.stdout, end)()
    flusher.set_last_activity_time()
    assert flusher.is_alive()


def test_closed_stdout_can_still_be_printed_to(start: Any, reader: Reader) -> None:
    start(NEVER)
    sys.stdout.close()
    say("still there")
    assert reader.read() == "still there\n"


def test_wrapper_around_its_bytes_works(start: Any, reader: Reader) -> None:
    start(SOON)
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
    say("é")
    reader.wait_for("é\n")


def test_end_shows_what_is_left_and_puts_stdout_back(
    start: Any, stdout: TextIO, reader: Reader
) -> None:
    flusher = start(NEVER)
    say("half", end="")
    flusher.stop()
    flusher.stop()
    assert reader.read() == "half"
    assert sys.stdout is stdout
    assert not flusher.is_alive()


def test_end_waits_for_a_slow_reader_only(
    start: Any, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdout_flusher, "LAST_WAIT", 0.1)
    flusher = start(NEVER)
    say("x" * 10_000)
    started = time.monotonic()
    flusher.stop()
    assert time.monotonic() - started < 5
    assert len(reader.read()) == 4096


def test_second_start_does_nothing(start: Any, reader: Reader) -> None:
    flusher = start(NEVER)
    stream = sys.stdout
    flusher.start()
    assert sys.stdout is stream


def test_flusher_that_was_not_started_does_nothing() -> None:
    flusher, before = StdoutFlusher(), sys.stdout
    flusher.set_last_activity_time()
    flusher.stop()
    assert sys.stdout is before
    assert not flusher.is_alive()


@pytest.mark.parametrize("stream", [io.StringIO(), io.TextIOWrapper(io.BytesIO())])
def test_stream_without_a_descriptor_is_flushed_only(
    stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    flusher = StdoutFlusher(SOON)
    flusher.start()
    flusher.set_last_activity_time()
    flusher.stop()
    assert sys.stdout is stream


def raising() -> None:
    say("half", end="")
    raise ValueError("of an app")


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    raising()


def wsgi_app(environ: Any, start_response: Any) -> None:
    raising()


def test_middleware_shows_what_a_request_printed_even_if_it_failed(
    start: Any, reader: Reader
) -> None:
    flusher = start(NEVER)
    with pytest.raises(ValueError, match="of an app"):
        asyncio.run(StdoutFlusherMiddleware(asgi_app, flusher)({}, None, None))
    assert reader.read() == "half"
    with pytest.raises(ValueError, match="of an app"):
        StdoutFlusherApp(wsgi_app, flusher)({}, lambda: None)
    assert reader.read() == "half"
