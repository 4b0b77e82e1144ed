"""The content type chooses the reader; Matrix Market tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from datarobot_drum.drum.errors import InvalidInput
from datarobot_drum.drum.payloads import (
    Payload,
    UnsupportedFormat,
    column_names,
    is_supported,
    media_type_for_file,
    media_type_for_upload,
    read_table,
)

BANNER = b"%%MatrixMarket matrix coordinate real general\n"
MATRIX = BANNER + b"2 3 2\n1 1 1.5\n2 3 2\n"


def mtx(content: bytes, *names: str) -> Payload:
    return Payload(content, media_type="text/mtx", column_names=names or None)


@pytest.mark.parametrize("media_type", [None, "", "text/csv", "text/plain"])
def test_csv_is_read_for_every_type_that_means_it(media_type: str | None) -> None:
    payload = Payload(b"a\n1\n", media_type=media_type)
    assert is_supported(payload)
    assert read_table(payload).to_dict("list") == {"a": [1]}


@pytest.mark.parametrize("media_type", ["application/json", "text/html", "garbage"])
def test_other_type_is_refused_with_the_name_that_the_client_sent(media_type: str) -> None:
    payload = Payload(b"[]", media_type=media_type, raw_content_type=media_type.title())
    assert not is_supported(payload)
    with pytest.raises(UnsupportedFormat) as refused:
        read_table(payload)
    assert str(refused.value) == (
        f"payload format `{media_type.title()}` is not supported by predictor/transformer. "
        "Make DRUM support the format or implement `read_input_data` hook to read the data. "
    )


def test_unsupported_format_takes_the_content_type_as_well() -> None:
    assert "`text/html`" in str(UnsupportedFormat("text/html"))
    assert "`text/html`" in str(UnsupportedFormat(Payload(b"", media_type="text/html")))


@pytest.mark.parametrize(
    ("name", "media_type", "parameters"),
    [
        ("x.csv", "text/csv", {}),
        ("x", "text/csv", {}),
        ("x.mtx", "text/mtx", {}),
        ("X.MTX", "text/csv", {}),
        ("dir.mtx/x.csv", "text/csv", {}),
        ("x.json", "application/json", {"orient": "auto"}),
        ("x.parquet", "application/vnd.apache.parquet", {}),
        ("x.arrow", "application/vnd.apache.arrow.file", {}),
    ],
)
def test_file_name_tells_the_type_in_batch(
    name: str, media_type: str, parameters: dict[str, str]
) -> None:
    assert media_type_for_file(name) == (media_type, parameters)


@pytest.mark.parametrize(
    ("filename", "media_type"),
    [("x.mtx", "text/mtx"), ("x.MTX", None), ("x.json", None), ("", None), (None, None)],
)
def test_upload_is_a_matrix_or_csv(filename: str | None, media_type: str | None) -> None:
    assert media_type_for_upload(filename) == media_type


def test_matrix_is_read_as_a_sparse_table() -> None:
    frame = read_table(mtx(MATRIX))
    assert frame.to_numpy().tolist() == [[1.5, 0, 0], [0, 0, 2]]
    assert frame.columns.equals(pd.RangeIndex(3))
    assert str(frame.dtypes[0]) == "Sparse[float64, 0.0]"


def test_matrix_in_a_file_on_disk_is_read(tmp_path: Path) -> None:
    entries = "".join(f"{row} {row % 3 + 1} {row}\n" for row in range(1, 41))
    (tmp_path / "x.mtx").write_bytes(BANNER + f"40 3 40\n{entries}".encode())
    with (tmp_path / "x.mtx").open("rb") as file:
        frame = read_table(Payload(file, media_type="text/mtx"))
    assert frame.shape == (40, 3)
    assert frame.sum().sum() == 820


@pytest.mark.parametrize("kind", ["pattern", "integer", "real"])
def test_matrix_may_end_without_a_line_end(kind: str) -> None:
    # the parser would end the process, so another one tries it
    content = f"%%MatrixMarket matrix coordinate {kind} general\n3 4 1\n2 4 1".encode()
    program = (
        "from datarobot_drum.drum.payloads.readers import read_matrix\n"
        "from datarobot_drum.drum.payloads.source import Payload\n"
        f"print(read_matrix(Payload({content!r})).to_numpy().tolist()[1] == [0, 0, 0, 1])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_matrix_takes_the_names_that_were_sent() -> None:
    assert list(read_table(mtx(MATRIX, "a", "b", "c")).columns) == ["a", "b", "c"]


def test_dense_matrix_is_read_too() -> None:
    frame = read_table(mtx(b"%%MatrixMarket matrix array integer general\n2 1\n1\n2\n"))
    assert frame.to_numpy().tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"s3cret", "Line 1: Not a Matrix Market file. Missing banner."),
        (b"", "Line 1: Not a Matrix Market file. Missing banner."),
        (
            b"%%MatrixMarket matrix s3cret real general\n1 1 1\n",
            "Line 1: Invalid MatrixMarket header element",
        ),
        (BANNER + b"2 2 1\n1 1 s3cret\n", "Line 3: Invalid floating-point value."),
        (BANNER + b"2 2 2\n1 1 1\n", "Truncated file. Expected another 1 lines."),
        (BANNER + b"2 2 9999\n1 1 1\n", "Truncated file. The header tells more entries"),
        (BANNER + b"99999999999999999999 2 1\n1 1 1\n", "Integer out of range."),
        (BANNER + b"1 2000000000 0\n", "the matrix has 2000000000 columns; send at most 1048576"),
        (BANNER.replace(b"real", b"complex") + b"1 1 1\n1 1 1 1\n", "holds complex numbers"),
        (BANNER.replace(b"general", b"\xff") + b"1 1 1\n1 1 1\n", "not a Matrix Market file"),
    ],
)
def test_matrix_that_is_none_is_refused_without_showing_it(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_table(mtx(content))
    assert message in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_matrix_with_another_number_of_names_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^Column length mismatch: 2 vs\. 3$"):
        read_table(mtx(MATRIX, "a", "b"))


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"a\nb", ["a", "b"]),
        (b"a\r\n\n b \n \n", ["a", "b"]),
        ("a\u2028b\x0bc\né\n".encode(), ["a\u2028b\x0bc", "é"]),
        (b"", []),
    ],
)
def test_column_names_are_the_lines_that_are_not_blank(data: bytes, names: list[str]) -> None:
    assert column_names(data) == names


def test_column_names_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidInput, match="not UTF-8; send one column name a line"):
        column_names(b"\xff\xfe")
