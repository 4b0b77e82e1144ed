"""The payload: bytes or a file, read once, always from its start."""

from __future__ import annotations

from pathlib import Path

from datarobot_drum.drum.payloads import Payload


def test_payload_of_bytes_opens_at_the_start_every_time() -> None:
    payload = Payload(b"a\n1\n")
    assert payload.open().read() == payload.open().read() == payload.bytes() == b"a\n1\n"
    assert payload.size == 4


def test_payload_of_a_file_is_that_file_rewound(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a\n1\n")
    with path.open("rb") as file:
        payload = Payload(file)
        file.read()
        assert payload.size == 4
        assert payload.open() is file
        assert payload.open().read() == b"a\n1\n"


def test_payload_of_a_file_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a\n1\n")
    with path.open("rb") as file:
        payload = Payload(file)
        first = payload.bytes()
    assert payload.bytes() is first
    assert payload.size == 4


def test_payload_keeps_what_the_sender_said() -> None:
    payload = Payload(
        b"",
        media_type="text/csv",
        charset="utf-8",
        column_names=["a", "b"],
        parameters={"header": "present"},
        raw_content_type="Text/CSV",
        from_request=True,
    )
    assert payload.media_type == "text/csv"
    assert payload.charset == "utf-8"
    assert payload.column_names == ("a", "b")
    assert payload.parameters == {"header": "present"}
    assert payload.raw_content_type == "Text/CSV"
    assert payload.from_request


def test_payload_without_a_word_has_no_type_and_no_parameters() -> None:
    payload = Payload(b"")
    assert payload.media_type is None
    assert payload.charset is None
    assert payload.column_names is None
    assert payload.parameters == {}
    assert not payload.from_request
