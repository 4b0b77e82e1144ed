"""Frames come in pieces of any size, and carry what they were made of."""

from __future__ import annotations

import json

import pytest

from datarobot_drum.drum.predictors.frames import Frame, FrameReader, ProtocolError


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_frame_is_complete_with_its_last_byte(size):
    data = b"".join(Frame({"status": "é ☃"}, [b"one", b"", b"\0" * 20]).encode())
    reader = FrameReader()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    *early, last = [reader.feed(piece) for piece in pieces]
    assert early == [None] * len(early)
    assert last is not None
    assert last.header["status"] == "é ☃"
    assert [bytes(part) for part in last.parts] == [b"one", b"", b"\0" * 20]


def test_header_is_json_that_escapes_only_what_it_must():
    _, header = Frame({"text": 'é"\n'}).encode()
    assert header == '{"text":"é\\"\\n","parts":[]}'.encode()
    assert json.loads(bytes(header)) == {"text": 'é"\n', "parts": []}


def test_number_that_is_none_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        Frame({"x": float("nan")}).encode()


@pytest.mark.parametrize("parts", ["1", "[true]", "[1.5]", "null"])
def test_lengths_that_are_none_are_refused(parts):
    header = f'{{"parts":{parts}}}'.encode()
    with pytest.raises(ProtocolError, match="impossible lengths"):
        FrameReader().feed(b"DRM1" + len(header).to_bytes(4, "big") + header)
