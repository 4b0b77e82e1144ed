"""Which of the types of `typeSchema` the columns of a table are of."""

from __future__ import annotations

import base64
import importlib
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\x00", b"MM\x00*")
_HEAD_CHARACTERS = 16

#: A text column is free text when this share of its rows holds white space, and its values are
#: as manifold as one of the other two says.
_SPACED_SHARE = 0.75
_UNIQUE_SHARE = 0.05
_UNIQUE_COUNT = 60


def is_sparse(frame: pd.DataFrame) -> bool:
    """Does the table have sparse columns?"""
    import pandas as pd

    return any(isinstance(dtype, pd.SparseDtype) for dtype in frame.dtypes)


def column_types(frame: pd.DataFrame) -> set[str]:
    """The types of all columns; a sparse table holds numbers only."""
    return {"NUM"} if is_sparse(frame) else {_type(column) for _, column in frame.items()}


def has_whole_numbers(frame: pd.DataFrame) -> bool:
    """Are all numbers of the table whole, so that they may stand for categories?"""
    numbers = frame.select_dtypes("number")
    return bool(((numbers % 1 == 0) | numbers.isna()).to_numpy().all())


def _type(column: pd.Series[Any]) -> str:
    from pandas.api import types

    if types.is_numeric_dtype(column):
        return "NUM"
    if types.is_datetime64_any_dtype(column):
        return "DATE"
    values = column.dropna()
    if len(values) and all(map(_is_image, values)):
        return "IMG"
    return "TXT" if _is_free_text(column) else "CAT"


def _is_free_text(column: pd.Series[Any]) -> bool:
    """Texts with spaces in most rows and of many values; missing rows count as without."""
    values = column[column.map(lambda value: isinstance(value, str))].astype(str)
    spaced = values.str.contains(r"\s", regex=True).sum()
    if not len(values) or spaced < _SPACED_SHARE * len(column):
        return False
    unique = values.nunique()
    return bool(unique >= _UNIQUE_COUNT or unique >= _UNIQUE_SHARE * len(column))


def _is_image(value: object) -> bool:
    """Is it an image in base64? Pillow decides if it is there, else how the bytes start."""
    if not isinstance(value, str):
        return False
    try:
        head = base64.b64decode(value[:_HEAD_CHARACTERS], validate=True)
        if not head.startswith(_IMAGE_STARTS):
            return False
        return _can_be_opened(base64.b64decode(value, validate=True))
    except ValueError:
        return False


def _can_be_opened(data: bytes) -> bool:
    try:
        pillow: Any = importlib.import_module("PIL.Image")
    except ImportError:
        return True
    try:
        with pillow.open(io.BytesIO(data)):
            return True
    except (OSError, SyntaxError, pillow.DecompressionBombError):
        return False
