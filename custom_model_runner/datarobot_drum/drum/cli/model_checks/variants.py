"""The input of a validation, changed: a column emptied, rows shuffled, a column too many.

A CSV file is changed as text, so that cells stay as they were written; other formats are changed
as tables and written in their own format again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.payloads import Payload, media_type_for_file, read_table

if TYPE_CHECKING:
    import pandas as pd

CSV = "text/csv"
MTX = "text/mtx"
JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"

#: More rows tell nothing more about a model, and each is predicted once for each column.
SAMPLE_ROWS = 10_000
#: So much of a wide table is predicted for each of its columns, but never fewer rows than these.
COLUMN_CELLS = 200_000
COLUMN_ROWS = 50
UNEXPECTED = "drum_unexpected_column"
SEED = 7


class NotATable(Exception):
    """The input cannot be read as a table; the message says why."""


@dataclass(frozen=True)
class Table:
    """The first rows of the input; each method gives another table and leaves this one alone."""

    frame: pd.DataFrame
    media_type: str
    is_text: bool

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(str(name) for name in self.frame.columns)

    def without_values(self, column: int) -> Table:
        """A column, by its position, set wholly to missing."""
        frame = self.frame.copy(deep=False)
        frame.isetitem(column, "" if self.is_text else float("nan"))
        return self._with(frame)

    def rows(self, start: int, stop: int) -> Table:
        """Some rows in a row."""
        return self._with(self.frame.iloc[start:stop])

    def shuffled(self) -> tuple[Table, Any]:
        """All rows in another order, and the positions from which they were taken."""
        import numpy as np

        order = np.random.default_rng(SEED).permutation(len(self))
        if len(self) and (order == np.arange(len(self))).all():
            order = order[::-1]
        return self._with(self.frame.iloc[order]), order

    def with_columns_reversed(self) -> Table:
        """The last column first."""
        return self._with(self.frame.iloc[:, ::-1])

    def with_unexpected_column(self) -> Table:
        """One column more, at the end."""
        return self._with(self.frame.assign(**{UNEXPECTED: "1" if self.is_text else 1.0}))

    def payload(self) -> Payload:
        """The table as a file of its format."""
        parameters = {"orient": "auto"} if self.media_type == JSON else None
        return Payload(self.encoded(), media_type=self.media_type, parameters=parameters)

    def encoded(self) -> bytes:
        """The bytes of that file."""
        return _ENCODERS.get(self.media_type, _arrow)(self.frame)

    def _with(self, frame: pd.DataFrame) -> Table:
        return replace(self, frame=frame.reset_index(drop=True))


def rows_for_a_column(columns: int) -> int:
    """How many rows are predicted when a column is emptied."""
    return min(SAMPLE_ROWS, max(COLUMN_ROWS, COLUMN_CELLS // max(1, columns)))


def read_columns(path: str) -> tuple[str, ...]:
    """Names of the columns; of a CSV file only the first line is read.

    Raises NotATable, as `read_sample` does.
    """
    if media_type_for_file(path)[0] == CSV:
        with _reading():
            return tuple(map(str, _read_text(path, rows=0).columns))
    return read_sample(path).columns


def read_sample(path: str, *, as_text: bool = True) -> Table:
    """The first rows of a file; a CSV as text, unless typed values are wanted.

    Raises NotATable for whatever stops a reader: each has errors of its own.
    """
    with _reading():
        return _sample(path, as_text=as_text)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise NotATable(f"the input cannot be read as a table: {error}") from error


def _sample(path: str, *, as_text: bool) -> Table:
    media_type, parameters = media_type_for_file(path)
    if media_type == CSV:
        table = Table(_read_text(path), CSV, is_text=True)
        return table if as_text else Table(read_table(table.payload()), CSV, is_text=False)
    with Path(path).open("rb") as file:
        frame = read_table(Payload(file, media_type=media_type, parameters=parameters))
    return Table(frame.head(SAMPLE_ROWS).reset_index(drop=True), media_type, is_text=False)


def _read_text(path: str, rows: int = SAMPLE_ROWS) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False, nrows=rows)


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def _json(frame: pd.DataFrame) -> bytes:
    return frame.to_json(orient="records", force_ascii=False).encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    file = BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()


def _arrow(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    file = pa.BufferOutputStream()
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return bytes(file.getvalue())


_ENCODERS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    CSV: _csv,
    JSON: _json,
    PARQUET: _parquet,
}
