"""Tables on their way to R and back: columns as R keeps them, sparse ones by column.

A header tells `form`: `csv` (one part, the text), `columns` (`names`, `types` and for each column
one part, or two for text: lengths, then bytes) or `sparse` (the compressed columns of a matrix).
Numbers are little-endian. NA is the least 32-bit integer, or the length -1 of a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype, is_object_dtype

from datarobot_drum.drum.errors import InvalidInput

NA = -(2**31)

#: R reads and writes at most so many bytes or entries at a time.
LIMIT = 2**31 - 1

#: Bytes. R allows no longer names of variables, and takes minutes to read a CSV that has them.
LONGEST_NAME = 10_000

Fields = dict[str, Any]
Parts = list[bytes]

_SPARSE: Any = DataFrame.sparse


def encode(table: DataFrame, *, named: bool = True) -> tuple[Fields, Parts]:
    """A table for R; without `named` a sparse one has no column names.

    Integers that need more than 32 bits become doubles; what is neither number nor truth value
    becomes text. InvalidInput where R cannot hold it.
    """
    if len(table.columns) and all(isinstance(kind, pd.SparseDtype) for kind in table.dtypes):
        return _encode_sparse(table, named)
    types: list[str] = []
    parts: Parts = []
    for at in range(table.shape[1]):
        kind, own = _encode_column(table.iloc[:, at])
        types.append(kind)
        parts += own
    names = names_of(table)
    return {"form": "columns", "rows": len(table), "names": names, "types": types}, checked(parts)


def decode(fields: Mapping[str, Any], parts: Sequence[bytes | memoryview]) -> DataFrame:
    """The table that R sent."""
    if fields["form"] == "sparse":
        return _decode_sparse(fields, parts)
    left = iter(parts)
    columns = {at: _decode_column(kind, left) for at, kind in enumerate(fields["types"])}
    frame = DataFrame(columns, index=range(fields["rows"]))
    frame.columns = pd.Index(fields["names"], dtype=object)
    return frame


def names_of(table: DataFrame) -> list[str]:
    """The names of the columns as text; InvalidInput where one is too long for R."""
    names = [str(name) for name in table.columns]
    longest = max((len(name.encode("utf-8", "replace")) for name in names), default=0)
    if longest > LONGEST_NAME:
        raise InvalidInput(
            f"a column name has {longest} bytes, R allows {LONGEST_NAME}; shorten it"
        )
    return names


def checked(parts: Parts) -> Parts:
    """The parts, if R can read each; InvalidInput where one is too long."""
    if any(len(part) > LIMIT for part in parts):
        raise InvalidInput("the data are too large for R; send them in pieces below 2 GiB")
    return parts


def _encode_column(column: Series[Any]) -> tuple[str, Parts]:
    kind = column.dtype
    if is_object_dtype(kind) and pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        kind, column = pd.BooleanDtype(), column.astype("boolean")
    if is_bool_dtype(kind):
        return "logical", [_integers(column)]
    if is_integer_dtype(kind) and (column.isna() | column.between(NA + 1, LIMIT)).all():
        return "integer", [_integers(column)]
    if is_numeric_dtype(kind):
        return "double", [column.to_numpy(dtype="<f8", na_value=np.nan).tobytes()]
    missing = column.isna().to_numpy()
    texts = [
        b"" if is_missing else str(value).encode("utf-8", "replace")
        for value, is_missing in zip(column, missing, strict=True)
    ]
    lengths = np.array([len(text) for text in texts], dtype="<i4")
    lengths[missing] = -1
    return "text", [lengths.tobytes(), b"".join(texts)]


def _integers(column: Series[Any]) -> bytes:
    if column.isna().any():
        return column.astype("Int64").to_numpy(dtype="<i4", na_value=NA).tobytes()
    return column.to_numpy(dtype="<i4").tobytes()


def _encode_sparse(table: DataFrame, named: bool) -> tuple[Fields, Parts]:
    matrix = _SPARSE(table).to_coo().tocsc()
    if matrix.nnz > LIMIT:
        raise InvalidInput("the matrix has too many entries for R; send it in pieces")
    matrix.sort_indices()
    fields = {
        "form": "sparse",
        "rows": matrix.shape[0],
        "columns": matrix.shape[1],
        "names": names_of(table) if named else None,
    }
    indices = (matrix.indptr.astype("<i4"), matrix.indices.astype("<i4"))
    return fields, checked([*(part.tobytes() for part in indices), _doubles(matrix.data)])


def _doubles(values: Any) -> bytes:
    data: bytes = values.astype("<f8").tobytes()
    return data


def _decode_column(kind: str, parts: Iterator[bytes | memoryview]) -> Any:
    if kind == "double":
        return np.frombuffer(next(parts), "<f8").astype("float64")
    if kind != "text":
        return _decode_integers(np.frombuffer(next(parts), "<i4"), is_logical=kind == "logical")
    lengths = np.frombuffer(next(parts), "<i4")
    data = bytes(next(parts))
    ends = np.cumsum(np.maximum(lengths, 0)).tolist()
    return Series(
        [
            None if length < 0 else data[end - length : end].decode("utf-8", "replace")
            for length, end in zip(lengths.tolist(), ends, strict=True)
        ],
        dtype=object,
    )


def _decode_integers(values: Any, *, is_logical: bool) -> Any:
    missing = values == NA
    if not missing.any():
        return values.astype("bool" if is_logical else "int64")
    return np.where(missing, np.nan, values)


def _decode_sparse(fields: Mapping[str, Any], parts: Sequence[bytes | memoryview]) -> DataFrame:
    from scipy.sparse import csc_matrix

    pointers, indices = (np.frombuffer(part, "<i4") for part in parts[:2])
    values = np.frombuffer(parts[2], "<f8").astype("float64")
    shape = (fields["rows"], fields["columns"])
    frame: DataFrame = _SPARSE.from_spmatrix(csc_matrix((values, indices, pointers), shape))
    if fields["names"] is not None:
        frame.columns = pd.Index(fields["names"], dtype=object)
    return frame
