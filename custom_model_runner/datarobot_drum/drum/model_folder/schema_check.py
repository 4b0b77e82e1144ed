"""Does a table meet the rules of `typeSchema`?"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.errors import SchemaViolation
from datarobot_drum.drum.model_folder.type_schema import Requirement

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("drum.model_folder")

#: Nothing in a table tells these types, so no rule can be checked for them.
_UNKNOWABLE = {"DATE_DURATION", "COUNT_DICT", "GEO"}
_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\x00", b"MM\x00*")
_HEAD_CHARACTERS = 16


def check_output(frame: pd.DataFrame, requirements: Sequence[Requirement]) -> None:
    """Raise SchemaViolation with every rule that a transform's result breaks."""
    faults = [fault for rule in requirements if (fault := _CHECKS[rule.field](frame, rule))]
    for fault in faults:
        logger.error("%s", fault)
    if faults:
        raise SchemaViolation(f"schema validation failed for output:\n {faults}")


def _columns_fault(frame: pd.DataFrame, rule: Requirement) -> str | None:
    count = frame.shape[1]
    if rule.accepts_number(count):
        return None
    return (
        f"Incorrect number of columns. {count} received. However, the schema dictates that "
        f"number of columns should be {rule}"
    )


def _missing_fault(frame: pd.DataFrame, rule: Requirement) -> str | None:
    if rule.values == ("NEVER",) and frame.isna().to_numpy().any():
        return "Output contains missing values, which the supplied task schema does not allow"
    return None


def _sparse_fault(frame: pd.DataFrame, rule: Requirement) -> str | None:
    is_sparse, value = _is_sparse(frame), rule.values[0]
    if is_sparse and value == "NEVER":
        return "Sparse output data found, however value is set to NEVER, expecting dense"
    if not is_sparse and value == "ALWAYS":
        return "Dense output data found, however value is set to ALWAYS, expecting sparse"
    return None


def _types_fault(frame: pd.DataFrame, rule: Requirement) -> str | None:
    wanted = {_one_text_type(str(value)) for value in rule.values} - _UNKNOWABLE
    found = _types(frame)
    if rule.condition.startswith("NOT_"):
        is_right = not found & wanted
    else:
        # Whole numbers may stand for categories.
        spare = {"NUM"} if "CAT" in wanted and _has_whole_numbers(frame) else set()
        is_right = found <= wanted | spare
    if is_right or not wanted:
        return None
    return f"Datatypes incorrect. Data has types: {', '.join(sorted(found))}, but expected {rule}"


def _one_text_type(name: str) -> str:
    """Free text and categories count as the same."""
    return "CAT" if name == "TXT" else name


def _types(frame: pd.DataFrame) -> set[str]:
    return {"NUM"} if _is_sparse(frame) else {_type(column) for _, column in frame.items()}


def _type(column: pd.Series[Any]) -> str:
    from pandas.api import types

    if types.is_numeric_dtype(column):
        return "NUM"
    if types.is_datetime64_any_dtype(column):
        return "DATE"
    values = column.dropna()
    return "IMG" if len(values) and all(map(_is_image, values)) else "CAT"


def _is_image(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        head = base64.b64decode(value[:_HEAD_CHARACTERS], validate=True)
    except ValueError:
        return False
    return head.startswith(_IMAGE_STARTS)


def _is_sparse(frame: pd.DataFrame) -> bool:
    import pandas as pd

    return any(isinstance(dtype, pd.SparseDtype) for dtype in frame.dtypes)


def _has_whole_numbers(frame: pd.DataFrame) -> bool:
    numbers = frame.select_dtypes("number")
    return bool((numbers % 1 == 0).to_numpy().all())


_CHECKS: dict[str, Callable[[pd.DataFrame, Requirement], str | None]] = {
    "number_of_columns": _columns_fault,
    "data_types": _types_fault,
    "sparse": _sparse_fault,
    "contains_missing": _missing_fault,
}
