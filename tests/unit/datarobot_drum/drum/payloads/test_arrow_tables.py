"""Arrow and Parquet: known by their first bytes, read by pyarrow where it is installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from io import BytesIO
from types import ModuleType
from typing import Any, BinaryIO

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from datarobot_drum.drum.errors import InvalidInput
from datarobot_drum.drum.payloads import Payload, is_supported, read_table

STREAM = "application/vnd.apache.arrow.stream"
FILE = "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"
MAGIC = {STREAM: b"\xff\xff\xff\xff", FILE: b"ARROW1\0\0", PARQUET: b"PAR1"}
TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})

needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed"
)


class Table:
    """What pyarrow's readers return, as far as it is used."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def read_all(self) -> Table:
        return self

    def to_pandas(self) -> pd.DataFrame:
        return self.frame


class ArrowException(Exception):
    """The root of pyarrow's errors."""


@pytest.fixture
def pyarrow(monkeypatch: pytest.MonkeyPatch) -> Callable[[pd.DataFrame | Exception], list[str]]:
    """Stands in for pyarrow: its readers note their name and give this table, or fail."""

    def install(result: pd.DataFrame | Exception) -> list[str]:
        calls: list[str] = []

        def reader(name: str) -> Callable[[BinaryIO], Table]:
            def read(source: BinaryIO) -> Table:
                calls.append(name)
                assert source.tell() == 0
                if isinstance(result, Exception):
                    raise result
                return Table(result)

            return read

        root, ipc, parquet = (ModuleType(name) for name in ("pyarrow", "ipc", "parquet"))
        vars(root).update(ArrowException=ArrowException)
        vars(ipc).update(open_stream=reader("stream"), open_file=reader("file"))
        vars(parquet).update(read_table=reader("parquet"))
        monkeypatch.setitem(sys.modules, "pyarrow", root)
        monkeypatch.setitem(sys.modules, "pyarrow.ipc", ipc)
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", parquet)
        return calls

    return install


@pytest.mark.parametrize(
    ("media_type", "content", "called"),
    [
        (STREAM, MAGIC[STREAM], "stream"),
        (FILE, MAGIC[FILE], "file"),
        (FILE, MAGIC[STREAM], "stream"),
        (PARQUET, MAGIC[PARQUET], "parquet"),
        ("application/x-parquet", MAGIC[PARQUET], "parquet"),
    ],
)
def test_arrow_table_is_read_by_the_reader_of_its_format(
    pyarrow: Any, media_type: str, content: bytes, called: str
) -> None:
    calls = pyarrow(TABLE.set_index("a", drop=False))
    frame = read_table(Payload(content, media_type=media_type))
    assert calls == [called]
    assert_frame_equal(frame, TABLE)


@pytest.mark.parametrize("media_type", [STREAM, FILE, PARQUET])
@pytest.mark.parametrize("content", [b"ARROW", b"", b"\xff\xff\xff"])
def test_arrow_type_without_its_first_bytes_is_not_supported(
    media_type: str, content: bytes
) -> None:
    assert not is_supported(Payload(content, media_type=media_type))


@pytest.mark.parametrize("media_type", [STREAM, FILE, PARQUET])
def test_arrow_table_without_pyarrow_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, media_type: str
) -> None:
    for name in ("pyarrow", "pyarrow.ipc", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    payload = Payload(MAGIC[media_type], media_type=media_type)
    assert is_supported(payload)
    with pytest.raises(InvalidInput, match=r"pip install 'opendrum\[arrow\]'"):
        read_table(payload)


@pytest.mark.parametrize("error", [ArrowException("s3cret"), OSError("s3cret")])
def test_arrow_table_that_is_broken_is_refused_without_showing_it(
    pyarrow: Any, error: Exception
) -> None:
    pyarrow(error)
    with pytest.raises(InvalidInput, match="not a readable Parquet table") as refused:
        read_table(Payload(MAGIC[PARQUET], media_type=PARQUET))
    assert "s3cret" not in str(refused.value)


def test_arrow_table_with_a_column_twice_is_refused(pyarrow: Any) -> None:
    pyarrow(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InvalidInput, match="must differ"):
        read_table(Payload(MAGIC[STREAM], media_type=STREAM))


@needs_pyarrow
@pytest.mark.parametrize("media_type", [STREAM, FILE, PARQUET])
def test_arrow_table_of_the_real_library_is_read(media_type: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, sink = pa.Table.from_pandas(TABLE), BytesIO()
    if media_type == PARQUET:
        pq.write_table(table, sink)
    else:
        new = pa.ipc.new_stream if media_type == STREAM else pa.ipc.new_file
        with new(sink, table.schema) as writer:
            writer.write_table(table)
    assert_frame_equal(read_table(Payload(sink.getvalue(), media_type=media_type)), TABLE)
    with pytest.raises(InvalidInput, match="not a readable"):
        read_table(Payload(sink.getvalue()[:20], media_type=media_type))


@needs_pyarrow
@pytest.mark.parametrize(
    "told",
    [
        b"\x80",
        b"{",
        b"[]",
        b"{}",
        b'{"index_columns": ["a"], "columns": []}',
        b'{"index_columns": [{"kind": "range", "start": "x", "stop": 1, "step": 1}]}',
        b'{"index_columns": [], "column_indexes": [{"pandas_type": "x", "numpy_type": "no"}]}',
        b'{"columns": [{"name": "a", "pandas_type": "datetimetz", "metadata": null}]}',
    ],
)
@pytest.mark.parametrize("media_type", [STREAM, PARQUET])
def test_words_of_pandas_in_a_table_are_the_clients(media_type: str, told: bytes) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, sink = pa.Table.from_pandas(TABLE).replace_schema_metadata({b"pandas": told}), BytesIO()
    if media_type == PARQUET:
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    try:
        assert len(read_table(Payload(sink.getvalue(), media_type=media_type))) == len(TABLE)
    except InvalidInput as error:
        assert "not a readable" in str(error)
