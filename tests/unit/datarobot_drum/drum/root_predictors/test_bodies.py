"""Request bodies: limits, the way to the disk, and a disk that takes no more."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datarobot_drum.drum.errors import (
    MalformedRequest,
    Overloaded,
    PayloadTooLarge,
)
from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure
from datarobot_drum.drum.root_predictors.bodies import SPOOL_BYTES, SpooledUploadFile

FILE_LIMIT = 1024 * 1024


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow beyond `size`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_body_in_memory_is_what_was_fed() -> None:
    body = SpooledUploadFile()
    assert body.feed(b"ab")
    assert body.feed(b"cd")
    assert body.bytes() == b"abcd"
    assert body.open().read() == b"abcd"
    assert (body.size, body.is_on_disk) == (4, False)


def test_body_of_finished_data_is_not_copied() -> None:
    data = b"abc"
    assert SpooledUploadFile.of(data).bytes() is data


def test_body_without_data_is_empty() -> None:
    assert SpooledUploadFile().bytes() == b""
    assert SpooledUploadFile().size == 0


def test_body_refuses_a_declared_length_over_the_limit() -> None:
    body = SpooledUploadFile(limit=3)
    assert not body.declare(4)
    assert not body.feed(b"x")
    with pytest.raises(PayloadTooLarge, match="larger than the limit of 3 bytes"):
        body.bytes()


def test_body_that_was_refused_tells_so_when_asked_for_its_size() -> None:
    body = SpooledUploadFile(limit=3)
    body.declare(4)
    with pytest.raises(PayloadTooLarge):
        _ = body.size


def test_body_takes_a_declared_length_at_the_limit() -> None:
    body = SpooledUploadFile(limit=3)
    assert body.declare(3)
    assert body.feed(b"abc")
    assert body.bytes() == b"abc"


def test_body_counts_what_really_comes() -> None:
    body = SpooledUploadFile(limit=3)
    assert body.declare(3)
    assert body.feed(b"ab")
    assert not body.feed(b"cd")
    with pytest.raises(PayloadTooLarge):
        body.open()


def test_body_without_limit_takes_any_declared_length() -> None:
    assert SpooledUploadFile().declare(2**63)


def test_body_wants_to_spill_only_beyond_its_memory() -> None:
    body = SpooledUploadFile()
    body.feed(bytes(SPOOL_BYTES))
    assert not body.wants_spill
    body.feed(b"x")
    assert body.wants_spill
    body.spill()
    assert not body.wants_spill
    body.close()


def test_body_on_disk_holds_what_came_before_and_after_the_spill() -> None:
    body = SpooledUploadFile(spool_bytes=4)
    for chunk in (b"abc", b"def"):
        body.feed(chunk)
    body.spill()
    body.feed(b"ghi")
    assert body.is_on_disk
    assert body.open().read() == b"abcdefghi"
    assert body.bytes() == b"abcdefghi"
    body.close()


def test_body_can_be_fed_and_opened_in_turns() -> None:
    body = SpooledUploadFile(spool_bytes=1)
    body.feed(b"ab")
    body.spill()
    assert body.open().read(1) == b"a"
    body.feed(b"cd")
    assert body.open().read() == b"abcd"
    body.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(0, 12))
def test_body_gives_back_any_chunks_in_order(chunks: list[bytes], spool_bytes: int) -> None:
    body = SpooledUploadFile(spool_bytes=spool_bytes)
    for chunk in chunks:
        assert body.feed(chunk)
        if body.wants_spill:
            body.spill()
    assert body.size == sum(map(len, chunks))
    assert body.bytes() == b"".join(chunks)
    body.close()


def test_body_closes_its_file_when_the_limit_is_passed_after_a_spill() -> None:
    body = SpooledUploadFile(limit=10, spool_bytes=1)
    body.feed(b"abcdef")
    body.spill()
    file = body.open()
    assert not body.feed(b"ghijkl")
    assert file.closed
    assert not body.is_on_disk


def test_body_that_ended_early_is_no_body() -> None:
    body = SpooledUploadFile(spool_bytes=1)
    body.feed(b"a\n1\n")
    body.spill()
    body.cut_off()
    assert not body.is_on_disk
    assert not body.feed(b"2\n")
    with pytest.raises(MalformedRequest, match="ended early; send it again"):
        body.bytes()


def test_body_may_be_closed_twice() -> None:
    body = SpooledUploadFile(spool_bytes=1)
    body.feed(b"ab")
    body.spill()
    body.close()
    body.close()
    assert body.bytes() == b""


def test_body_without_a_temporary_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    body = SpooledUploadFile(spool_bytes=1)
    body.feed(b"ab")
    body.spill()
    assert not body.feed(b"cd")
    with pytest.raises(Overloaded, match=r"cannot store the request body \(No such file"):
        body.bytes()


@pytest.mark.parametrize("beyond", [1, 500, FILE_LIMIT])
def test_body_is_refused_when_the_disk_takes_no_more(beyond: int) -> None:
    body = SpooledUploadFile()
    with largest_file(FILE_LIMIT):
        body.feed(bytes(FILE_LIMIT - 100))
        body.spill()
        assert body.is_on_disk
        body.feed(bytes(100 + beyond))
        body.spill()
        assert not body.feed(b"more")
    assert not body.is_on_disk
    with pytest.raises(Overloaded, match=r"\(File too large\); try again later"):
        body.open()


def test_body_whose_last_bytes_find_no_room_is_refused_when_opened() -> None:
    body = SpooledUploadFile()
    with largest_file(FILE_LIMIT):
        body.feed(bytes(FILE_LIMIT))
        body.spill()
        body.feed(b"x")
        with pytest.raises(Overloaded):
            body.open()


def test_body_that_was_cut_off_is_never_given_out() -> None:
    body = SpooledUploadFile()
    body.feed(b"a,b\n1,")
    body.cut_off()
    with pytest.raises(MalformedRequest, match="ended early"):
        body.check()
    assert not body.feed(b"2\n")


def test_body_takes_bytes_from_the_gate_until_it_is_closed() -> None:
    gate = ProductionBackpressure(1, 1, max_bytes=100)
    first, second = SpooledUploadFile(gate=gate), SpooledUploadFile(gate=gate)
    assert first.declare(500)
    assert first.feed(b"x" * 90)
    assert gate.figures()["bytes_held"] == 90
    assert not second.feed(b"x" * 11)
    assert not SpooledUploadFile(gate=gate).declare(11)
    for _ in range(2):
        first.close()
    assert (second.is_refused, gate.figures()["bytes_held"]) == (True, 0)
    with pytest.raises(Overloaded, match="other requests hold 90 bytes"):
        second.check()
