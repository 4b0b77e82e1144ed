"""Server-sent events, and the buffer between a model and its client."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.streams import (
    BUFFERED_PIECES,
    DONE,
    StreamBuffer,
    error_event,
    event,
    events,
)

#: patience that is at its end before anybody has waited
NONE_LEFT = -1.0


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("a", "data: a\n\n"),
        ("", "data: \n\n"),
        ("a\nb", "data: a\ndata: b\n\n"),
        ("a\r\nb\rc", "data: a\ndata: b\ndata: c\n\n"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf", "data: a\u2028b\u2029c\x85d\x0be\x0cf\n\n"),
    ],
)
def test_event_breaks_lines_only_where_the_protocol_does(text: str, sent: str) -> None:
    assert event(text) == sent.encode()


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_event_of_any_json_is_one_line_that_can_be_read_back(text: str) -> None:
    sent = event(json.dumps({"content": text}, ensure_ascii=False)).decode()
    lines = sent.removesuffix("\n\n").split("\n")
    assert len(lines) == 1
    assert json.loads(lines[0].removeprefix("data: ")) == {"content": text}


def test_error_event_has_the_form_of_openai() -> None:
    sent = error_event("it broke", "ValueError").decode()
    assert json.loads(sent.removeprefix("data: ")) == {
        "error": {"message": "it broke", "type": "ValueError"}
    }


def test_events_end_with_done() -> None:
    assert list(events(["a", "b"], str)) == [event("a"), event("b"), DONE]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad"), "bad"),
        (ValueError(), "ValueError()"),
        (SystemExit(3), "3"),
        (asyncio.CancelledError(), "CancelledError()"),
    ],
)
def test_events_of_a_stream_that_breaks_end_with_the_error(
    error: BaseException, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    def chunks() -> Iterator[str]:
        yield "a"
        raise error

    *rest, last = events(chunks(), str)
    assert rest == [event("a")]
    assert last == error_event(message, type(error).__name__)
    assert "the model's stream broke" in caplog.text


def test_events_end_with_the_error_of_a_chunk_that_has_no_text() -> None:
    *_, last = events([object()], lambda chunk: str(chunk.no_such))
    assert b"AttributeError" in last
    assert last != DONE


def test_events_that_nobody_reads_on_close_the_model_s_generator() -> None:
    closed: list[bool] = []

    def chunks() -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(True)

    sent = events(chunks(), str)
    assert next(sent) == event("a")
    sent.close()  # type: ignore[attr-defined]
    assert closed == [True]


def drained(buffer: StreamBuffer) -> list[bytes]:
    return list(buffer)


def test_buffer_hands_all_pieces_over_in_order() -> None:
    buffer = StreamBuffer(30)
    pieces = [b"%d," % number for number in range(BUFFERED_PIECES * 4)]
    pump = threading.Thread(target=buffer.pump, args=(iter(pieces),))
    pump.start()
    assert b"".join(buffer) == b"".join(pieces)
    pump.join()


def test_buffer_joins_what_waits_for_a_slow_reader() -> None:
    buffer = StreamBuffer(30)
    buffer.pump(iter([b"a", b"b"]))
    assert buffer.take() == (b"ab", True)
    assert buffer.take() == (b"", True)


def test_buffer_of_an_empty_stream_is_over_at_once() -> None:
    buffer = StreamBuffer(30)
    buffer.pump(iter(()))
    assert drained(buffer) == []


def test_buffer_never_waits_in_take() -> None:
    buffer = StreamBuffer(30)
    assert buffer.take() == (b"", False)


def test_buffer_cuts_a_model_that_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    buffer = StreamBuffer(NONE_LEFT)
    with caplog.at_level(logging.ERROR):
        data, over = buffer.take()
    assert over
    assert b"the model took too long for its next piece" in data
    assert "it is cut" in caplog.text
    assert buffer.take() == (b"", True)


def test_buffer_stops_a_model_whose_client_reads_too_slowly() -> None:
    closed = threading.Event()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    buffer = StreamBuffer(NONE_LEFT)
    buffer.pump(endless())
    data, over = buffer.take()
    assert (closed.is_set(), over) == (True, True)
    assert data == b"x" * BUFFERED_PIECES + error_event("the client read too slowly", "timeout")


def test_buffer_closed_early_closes_the_model_s_generator() -> None:
    closed = threading.Event()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    buffer = StreamBuffer(30)
    pump = threading.Thread(target=buffer.pump, args=(endless(),))
    pump.start()
    reader = iter(buffer)
    assert next(reader).startswith(b"x")
    reader.close()  # type: ignore[attr-defined]
    pump.join()
    assert closed.is_set()
    assert buffer.take()[1]


def test_buffer_closed_before_the_start_takes_nothing() -> None:
    source = iter([b"a"])
    buffer = StreamBuffer(30)
    buffer.close()
    buffer.pump(source)
    assert next(source) == b"a"
    assert buffer.take() == (b"", True)


def test_buffer_ends_even_if_the_source_fails() -> None:
    def failing() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("no")

    buffer = StreamBuffer(30)
    with pytest.raises(ValueError, match="no"):
        buffer.pump(failing())
    assert buffer.take() == (b"a", True)


def test_buffer_tells_its_listener_of_each_piece_and_of_the_end() -> None:
    buffer = StreamBuffer(30)
    rings: list[int] = []
    buffer.listen(lambda: rings.append(len(rings)))
    buffer.pump(iter([b"a", b"b"]))
    assert rings == [0, 1, 2, 3]


def test_buffer_knows_its_patience() -> None:
    assert StreamBuffer(7).patience == 7


def test_reply_exchanges_its_stream_for_a_buffer() -> None:
    buffer = StreamBuffer(1)
    reply = Reply(content_type="text/event-stream", stream=iter(())).streaming(buffer)
    assert (reply.stream, reply.buffer) == (None, buffer)
    assert reply.content_type == "text/event-stream"


def test_reader_that_leaves_interrupts_the_wait_for_a_piece() -> None:
    interrupted = threading.Event()
    buffer = StreamBuffer(30, interrupted.set)

    def waiting() -> Iterator[bytes]:
        yield b"first"
        assert interrupted.wait(30)

    pump = threading.Thread(target=buffer.pump, args=(waiting(),))
    pump.start()
    buffer.wait()
    buffer.close()
    pump.join(30)
    assert not pump.is_alive()


def test_stream_that_has_ended_is_not_interrupted() -> None:
    calls: list[str] = []
    buffer = StreamBuffer(30, lambda: calls.append("interrupted"))
    buffer.pump(iter([b"all"]))
    assert list(buffer) == [b"all"]
    assert calls == []


def test_model_that_takes_too_long_is_interrupted() -> None:
    calls: list[str] = []
    buffer = StreamBuffer(0.01, lambda: calls.append("interrupted"))
    assert b"took too long" in b"".join(buffer)
    buffer.close()
    assert calls == ["interrupted"]
