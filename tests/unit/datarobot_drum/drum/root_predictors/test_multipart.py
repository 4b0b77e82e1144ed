"""Forms: whole, cut off, malformed, and made to hurt."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datarobot_drum.drum.errors import InvalidInput, PayloadTooLarge
from datarobot_drum.drum.root_predictors.bodies import SPOOL_BYTES
from datarobot_drum.drum.root_predictors.multipart import (
    MAX_PARTS,
    MAX_TEXT_BYTES,
    FormReader,
)

BOUNDARY = b"b0undary"


def part(content: bytes, disposition: str, *headers: str) -> bytes:
    head = "\r\n".join([f"Content-Disposition: form-data; {disposition}", *headers])
    return head.encode() + b"\r\n\r\n" + content


def form(*parts: bytes, end: bytes = b"--" + BOUNDARY + b"--\r\n") -> bytes:
    return b"".join(b"--" + BOUNDARY + b"\r\n" + part + b"\r\n" for part in parts) + end


def read(data: bytes, *wanted: str) -> dict[str, bytes]:
    reader = FormReader(BOUNDARY, wanted or ("X", "y"))
    files = reader.read(io.BytesIO(data))
    found = {name: file.body.bytes() for name, file in files.items()}
    reader.close()
    return found


def test_form_gives_its_wanted_file_parts() -> None:
    data = form(
        part(b"a,b\r\n1,2", 'name="X"; filename="x.csv"', "Content-Type: text/csv"),
        part(b"t\n0", "name=y; filename=y.csv"),
        part(b"other", 'name="Z"; filename="z.csv"'),
    )
    assert read(data) == {"X": b"a,b\r\n1,2", "y": b"t\n0"}


def test_form_header_names_are_found_in_any_case() -> None:
    head = b'CONTENT-disposition: form-data; name="X"; filename="x"\r\n\r\n'
    assert read(form(head + b"1")) == {"X": b"1"}


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('name="X"; filename="m.mtx"', "m.mtx"),
        ('name="X"; filename=""', ""),
        ('filename="é.csv"; name="X"', "é.csv"),
        ('name="X"; filename="C:\\\\dir\\\\m.mtx"', "m.mtx"),
    ],
)
def test_form_part_keeps_its_file_name(disposition: str, filename: str) -> None:
    reader = FormReader(BOUNDARY, ["X"])
    assert reader.read(io.BytesIO(form(part(b"1", disposition))))["X"].filename == filename


def test_form_takes_the_first_of_parts_with_equal_names() -> None:
    data = form(part(b"first", 'name="X"; filename="1"'), part(b"second", 'name="X"; filename="2"'))
    assert read(data) == {"X": b"first"}


def test_form_takes_text_fields_for_no_files() -> None:
    assert read(form(part(b"text", 'name="X"'))) == {}


def test_form_takes_the_file_after_a_text_field_of_the_same_name() -> None:
    data = form(part(b"text", 'name="X"'), part(b"file", 'name="X"; filename="x"'))
    assert read(data) == {"X": b"file"}


def test_form_part_without_headers_is_nothing() -> None:
    assert read(form(b"\r\ncontent")) == {}


@pytest.mark.parametrize("data", [b"", b"--" + BOUNDARY + b"--\r\n", b"rubbish", b"a,b\n1,2\n"])
def test_form_without_parts_has_no_files(data: bytes) -> None:
    assert read(data) == {}


@pytest.mark.parametrize(
    "end", [b"", b"--" + BOUNDARY, b"--" + BOUNDARY + b"\r\nContent-Disp", b"--" + BOUNDARY[:3]]
)
def test_form_that_is_cut_off_is_refused(end: bytes) -> None:
    data = form(part(b"secret", 'name="X"; filename="x"'), end=end)
    with pytest.raises(InvalidInput, match="ends before its last boundary"):
        read(data)


@pytest.mark.parametrize(
    "head",
    [
        b"bad header\r\n\r\n",
        b"A: b\rc\r\n\r\n",
        b"A: " + b"x" * 9000 + b"\r\n\r\n",
        b"A: b\r\n" * 20 + b"\r\n",
    ],
    ids=["no colon", "lone carriage return", "long header", "many headers"],
)
def test_form_with_malformed_part_headers_is_refused(head: bytes) -> None:
    with pytest.raises(InvalidInput, match="the multipart body is malformed"):
        read(form(head + b"1"))


def test_form_with_a_boundary_beyond_all_measure_is_refused() -> None:
    with pytest.raises(InvalidInput, match="boundary of the multipart body is too long"):
        FormReader(b"x" * 5000, ["X"])


def test_form_may_have_many_parts_but_not_more() -> None:
    parts = [part(b"", f'name="n{number}"') for number in range(MAX_PARTS)]
    assert read(form(*parts)) == {}
    with pytest.raises(PayloadTooLarge, match="more than 1000 parts"):
        read(form(*parts, part(b"", 'name="n"')))


def test_form_with_a_large_text_field_is_refused() -> None:
    large = bytes(MAX_TEXT_BYTES + 1)
    with pytest.raises(PayloadTooLarge, match="a text field of the form is larger than 500000"):
        read(form(part(large, 'name="note"')))
    assert read(form(part(large[1:], 'name="note"'))) == {}


def test_form_does_not_keep_large_parts_that_nobody_wants() -> None:
    data = form(part(bytes(SPOOL_BYTES), 'name="other"; filename="o"'))
    reader = FormReader(BOUNDARY, ["X"])
    assert reader.read(io.BytesIO(data)) == {}


def test_form_part_larger_than_memory_goes_to_disk() -> None:
    content = b"0123456789abcdef" * (SPOOL_BYTES // 16) * 2
    reader = FormReader(BOUNDARY, ["X"])
    files = reader.read(io.BytesIO(form(part(content, 'name="X"; filename="x"'))))
    assert files["X"].body.is_on_disk
    assert files["X"].body.bytes() == content
    file = files["X"].body.open()
    reader.close()
    assert file.closed


def test_form_that_breaks_in_a_large_part_drops_its_file() -> None:
    head = part(bytes(SPOOL_BYTES * 2), 'name="X"; filename="x"')
    reader = FormReader(BOUNDARY, ["X"])
    with pytest.raises(InvalidInput):
        reader.read(io.BytesIO(form(head, end=b"")[:-2]))
    body = reader._part.body
    assert body is not None
    assert body.is_on_disk
    reader.close()
    assert not body.is_on_disk


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=60))
def test_form_gives_back_any_content(content: bytes) -> None:
    assert read(form(part(content, 'name="X"; filename="x"'))) == {"X": content}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_form_with_one_byte_changed_is_read_or_refused(data: st.DataObject) -> None:
    whole = form(part(b"1,2", 'name="X"; filename="x.csv"'), part(b"3", 'name="y"; filename="y"'))
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + data.draw(st.binary(max_size=2)) + whole[place + 1 :]
    try:
        assert set(read(damaged)) <= {"X", "y"}
    except InvalidInput as error:
        assert "1,2" not in str(error)
