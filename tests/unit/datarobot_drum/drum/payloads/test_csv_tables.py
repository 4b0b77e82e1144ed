"""CSV: the rules of pandas, the refusals, and chunks that look like a whole read."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from datarobot_drum.drum.errors import InvalidInput
from datarobot_drum.drum.payloads import Payload, csv_chunks, read_table
from datarobot_drum.drum.payloads.csv_tables import _fault

SECRET = b"s3cret"

CELLS = {
    "int": lambda rng: str(rng.randint(-99, 99)),
    "float": lambda rng: f"{rng.random():.3f}",
    "large": lambda rng: str(2**53 + rng.randint(1, 99)),
    "huge": lambda rng: str(2**63 + rng.randint(1, 99)),
    "bool": lambda rng: rng.choice(("True", "false")),
    "text": lambda rng: rng.choice(("x", '"y, z"', "a b")),
    "empty": lambda rng: rng.choice(("", "NA")),
}


def csv(data: bytes) -> pd.DataFrame:
    return read_table(Payload(data, media_type="text/csv"))


@pytest.mark.parametrize(
    "data",
    [b"a,b\n1,2\n", b"a,b\r\n1,2\r\n", b"\xef\xbb\xbfa,b\n1,2\n", b"\na,b\n\n1,2\n\n", b"a,b\n1,2"],
    ids=["lf", "crlf", "bom", "blank lines", "no final line end"],
)
def test_csv_of_two_columns_is_read_as_pandas_does(data: bytes) -> None:
    assert_frame_equal(csv(data), pd.DataFrame({"a": [1], "b": [2]}))


@pytest.mark.parametrize(
    "data",
    [
        b"v\n1\n\n3\n",
        b"v\r\n1\r\n\r\n3\r\n",
        b"v\r1\r\r3\r",
        b"\n \nv\n1\n\n3\n",
        b"\xef\xbb\xbfv\n1\n\n3\n",
    ],
    ids=["lf", "crlf", "cr", "blank lines above the header", "bom"],
)
def test_csv_of_one_column_keeps_blank_lines_as_missing(data: bytes) -> None:
    assert_frame_equal(csv(data), pd.DataFrame({"v": [1.0, float("nan"), 3.0]}))


def test_csv_of_one_column_below_lone_carriage_returns_keeps_its_header(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\r \rv\r1\r3\r")
    chunks = csv_chunks(path, 1)
    assert chunks is not None
    for frame in (csv(path.read_bytes()), pd.concat(list(chunks))):
        assert_frame_equal(frame, pd.DataFrame({"v": [1, 3]}))


def test_csv_of_one_column_without_blank_lines_keeps_its_type() -> None:
    assert_frame_equal(csv(b"v\n1\n3\n"), pd.DataFrame({"v": [1, 3]}))


def test_csv_of_one_column_in_a_file_keeps_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"v\n\n3\n")
    with path.open("rb") as file:
        assert len(read_table(Payload(file))) == 2
        assert not file.closed


def test_csv_with_a_header_only_is_an_empty_table() -> None:
    frame = csv(b"a,b\n")
    assert frame.shape == (0, 2)
    assert list(frame.columns) == ["a", "b"]


EMPTY = "the data is empty; give a line with the names of the columns, and rows"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n1,\xe9\n", "Supplied CSV input file encoding must be UTF-8."),
        (b"\xff\xfea", "Supplied CSV input file encoding must be UTF-8."),
        (b"", f"No columns to parse from file: {EMPTY}"),
        (b"\n\n", f"No columns to parse from file: {EMPTY}"),
        (b"a,b\n1,2\n1,2,3,s3cret\n", "expected 2 fields in line 3, saw 4"),
        (b'a,b\n1,2\n"s3cret,2\n', "the quote opened in line 3 is never closed"),
        (b"a,b\n1,2,s3cret\n", "expected 2 fields in the first row below the header, saw 3"),
        (b"a,b\n1,2,3,s3cret\n", "expected 2 fields in the first row below the header, saw 4"),
        (b"v\n1,s3cret\n", "expected 1 fields in the first row below the header, saw 2"),
    ],
)
def test_csv_that_is_none_is_refused_without_showing_it(data: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        csv(data)
    text = str(refused.value)
    assert text.endswith(message)
    assert SECRET.decode() not in text
    assert text == message or text.startswith("Pandas failed to read input binary data: ")


def test_client_that_sends_nothing_gets_the_bare_words() -> None:
    with pytest.raises(InvalidInput, match="^No columns to parse from file$"):
        read_table(Payload(b"", media_type="text/csv", from_request=True))


def test_csv_fault_of_unknown_kind_is_told_in_our_words() -> None:
    assert _fault("C error: something new about s3cret") == "the text is not CSV"


@pytest.mark.parametrize("seed", range(200))
def test_csv_of_any_bytes_is_a_counted_table_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    marks = (b"a", b"1", b",", b'"', b"\n", b"\r", b" ", b"\t", b"\x00", "é".encode(), b"\xff")
    data = b"".join(rng.choices(marks, weights=(*[9] * 8, 1, 1, 1), k=rng.randint(0, 30)))
    try:
        frame = csv(data)
    except InvalidInput:
        return
    assert isinstance(frame.index, pd.RangeIndex)


def written(path: Path, text: str) -> Path:
    path.write_text(text, newline="")
    return path


def random_csv(seed: int) -> str:
    """Columns that change their kind every five rows, now and then."""
    rng = random.Random(seed)
    width = rng.randint(1, 4)
    rows = []
    for block in range(rng.randint(1, 5)):
        steady = random.Random(seed)
        kinds = [
            rng.choice(tuple(CELLS)) if rng.random() < 0.12 else steady.choice(tuple(CELLS))
            for _ in range(width)
        ]
        rows += [",".join(CELLS[kind](rng) for kind in kinds) for _ in range(5 - block % 2)]
    header = ",".join(f"c{number}" for number in range(width))
    return "\n".join([header, *rows]) + "\n"


@pytest.mark.filterwarnings("ignore::pandas.errors.DtypeWarning")
@pytest.mark.parametrize("seed", range(60))
def test_csv_chunks_look_like_a_whole_read(tmp_path: Path, seed: int) -> None:
    path = written(tmp_path / "x.csv", random_csv(seed))
    chunks = csv_chunks(path, 5)
    if chunks is not None:
        assert_frame_equal(pd.concat(list(chunks)), csv(path.read_bytes()))


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["1", "2.5"], "float64"),
        (["1", ""], "float64"),
        (["", "1"], "float64"),
        (["", ""], "float64"),
        (["1", "2"], "int64"),
        ([str(2**60), "1"], "int64"),
        (["x", ""], "str"),
        (["NA", "x"], "str"),
        (["True", "false"], "bool"),
    ],
)
def test_csv_chunks_have_the_type_of_all_rows(tmp_path: Path, cells: list[str], dtype: str) -> None:
    path = written(tmp_path / "x.csv", "a,b\n" + "".join(f"1,{cell}\n" for cell in cells))
    chunks = csv_chunks(path, 1)
    assert chunks is not None
    frames = list(chunks)
    assert [str(frame["b"].dtype) for frame in frames] == [dtype, dtype]
    assert [list(frame.index) for frame in frames] == [[0], [1]]
    assert_frame_equal(pd.concat(frames), csv(path.read_bytes()))


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "x"],
        ["True", ""],
        ["True", "1"],
        [str(2**63), "1"],
        [str(2**70), "1"],
        [str(2**60), "1.5"],
        [str(-(2**60)), ""],
    ],
)
def test_csv_chunks_are_refused_where_types_need_all_rows(tmp_path: Path, cells: list[str]) -> None:
    path = written(tmp_path / "x.csv", "a,b\n" + "".join(f"1,{cell}\n" for cell in cells))
    assert csv_chunks(path, 1) is None


def test_csv_chunks_are_refused_where_large_numbers_stand_beside_gaps(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", f"a,b\n1,\n1,{2**63 + 1}\n1,x\n")
    assert csv_chunks(path, 2) is None


def test_csv_chunks_of_a_small_file_are_one_read(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", "a,b\n1,x\nTrue,2\n")
    chunks = csv_chunks(path, 2)
    assert chunks is not None
    (frame,) = chunks
    assert_frame_equal(frame, csv(path.read_bytes()))


def test_csv_chunks_of_one_column_keep_blank_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", "\nv\n1\n\n3\n4\n")
    chunks = csv_chunks(path, 2)
    assert chunks is not None
    assert_frame_equal(pd.concat(list(chunks)), csv(path.read_bytes()))


def test_csv_chunks_of_a_header_only_are_as_a_whole_read(tmp_path: Path) -> None:
    chunks = csv_chunks(written(tmp_path / "x.csv", "a,b\n"), 2)
    assert sum(map(len, chunks or ())) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No columns to parse"),
        ("a,b\n1,2,3\n", "saw 3"),
        ("a,b\n1,2\n1,2\n1,2,3\n", "line 4, saw 3"),
    ],
)
def test_csv_chunks_refuse_what_a_whole_read_refuses(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        csv_chunks(written(tmp_path / "x.csv", text), 1)


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,2,3\n2,4,5\n3,5,6\n",
        b"a,b\n0,2,3\n1,4,5\n",
        b"a,b\n0,1,2\n",
        b'a,"b,c"\n0,1,2\n1,1,2\n',
        b"a,b\r0,1,2\r1,1,2\r",
        b"\n\na,b\n\n0,1,2\n",
        b"a,b\n0,,\n1,,\n",
        b"\xef\xbb\xbfa,b\n0,1,2\n",
    ],
)
def test_surplus_field_is_refused_also_where_it_looks_like_row_numbers(
    data: bytes, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="expected 2 fields in the first row"):
        read_table(Payload(data))
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="expected 2 fields in the first row"):
        list(csv_chunks(path, 1) or ())


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (b'a,"b,c"\n1,2\n', {"a": [1], "b,c": [2]}),
        (b'a,"b\nc"\n1,2\n', {"a": [1], "b\nc": [2]}),
        (b'a,b\n"1,5",2\n', {"a": ["1,5"], "b": [2]}),
        (b"a,b\r1,2\r", {"a": [1], "b": [2]}),
        (b"a,b\n", {"a": [], "b": []}),
    ],
)
def test_commas_inside_quotes_are_no_surplus(data: bytes, columns: dict[str, list[object]]) -> None:
    assert read_table(Payload(data)).to_dict("list") == columns


def test_field_too_long_for_the_second_look_is_taken() -> None:
    data = b'a,b\n"' + b"x" * 200_000 + b'",2\n'
    assert read_table(Payload(data))["b"].tolist() == [2]
