"""Does a table meet the rules of `typeSchema`?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import SchemaViolation
from datarobot_drum.drum.model_folder.column_types import column_types, has_whole_numbers, is_sparse
from datarobot_drum.drum.model_folder.type_schema import Requirement, Side, TypeSchema

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("drum.model_folder")

#: Nothing in a table tells these types, so no rule can be checked for them.
_UNKNOWABLE = {"DATE_DURATION", "COUNT_DICT", "GEO"}

OUTPUT_WITHOUT_TRANSFORM = (
    "Specifying output_requirements in model_metadata.yaml is only valid for custom transform "
    "tasks."
)

#: What holds for a transform whose metadata has no `typeSchema`.
DEFAULT_TRANSFORM_SCHEMA = TypeSchema(
    (
        Requirement("data_types", "IN", ("NUM", "CAT", "TXT", "DATE", "DATE_DURATION")),
        Requirement("sparse", "EQUALS", ("FORBIDDEN",)),
        Requirement("contains_missing", "EQUALS", ("FORBIDDEN",)),
    ),
    (Requirement("data_types", "EQUALS", ("NUM",)),),
)


def check_schema_target(schema: TypeSchema, target_type: TargetType) -> None:
    """Raise SchemaViolation where only a transform may have such rules."""
    if schema.output_requirements and target_type is not TargetType.TRANSFORM:
        logger.error("%s", OUTPUT_WITHOUT_TRANSFORM)
        raise SchemaViolation(OUTPUT_WITHOUT_TRANSFORM)


def check_input(
    frame: pd.DataFrame, requirements: Sequence[Requirement], *, strict: bool = True
) -> None:
    """Log every rule that training data breaks; if `strict`, raise SchemaViolation with them."""
    _check(frame, requirements, "input", strict)


def check_output(
    frame: pd.DataFrame, requirements: Sequence[Requirement], *, strict: bool = True
) -> None:
    """Log every rule that a transform's result breaks; if `strict`, raise SchemaViolation."""
    _check(frame, requirements, "output", strict)


def _check(
    frame: pd.DataFrame, requirements: Sequence[Requirement], side: Side, strict: bool
) -> None:
    faults = list(_faults(frame, requirements, side))
    for fault in faults:
        logger.error("%s", fault)
    if faults and strict:
        raise SchemaViolation(f"schema validation failed for {side}:\n {faults}")


def _faults(frame: pd.DataFrame, requirements: Sequence[Requirement], side: Side) -> Iterator[str]:
    for rule in requirements:
        fault = _CHECKS[rule.field](frame, rule, side)
        if fault is not None:
            yield fault


def _columns_fault(frame: pd.DataFrame, rule: Requirement, side: Side) -> str | None:
    count = frame.shape[1]
    if rule.accepts_number(count):
        return None
    return (
        f"Incorrect number of columns. {count} received. However, the schema dictates that "
        f"number of columns should be {rule}"
    )


def _missing_fault(frame: pd.DataFrame, rule: Requirement, side: Side) -> str | None:
    if rule.values[0] not in ("NEVER", "FORBIDDEN"):
        return None
    # by columns: the table as a whole would become dense
    if not any(column.isna().any() for _, column in frame.items()):
        return None
    return (
        f"{side.capitalize()} contains missing values, which the supplied task schema does not "
        "allow"
    )


def _sparse_fault(frame: pd.DataFrame, rule: Requirement, side: Side) -> str | None:
    is_found, value = is_sparse(frame), rule.values[0]
    if is_found and value in ("NEVER", "FORBIDDEN"):
        return f"Sparse {side} data found, however value is set to {value}, expecting dense"
    if not is_found and value in ("ALWAYS", "REQUIRED"):
        return f"Dense {side} data found, however value is set to {value}, expecting sparse"
    return None


def _types_fault(frame: pd.DataFrame, rule: Requirement, side: Side) -> str | None:
    wanted = _one_text_type(map(str, rule.values)) - _UNKNOWABLE
    types = column_types(frame)
    found = _one_text_type(types)
    if rule.condition.startswith("NOT_"):
        is_right = not found & wanted
    else:
        # Whole numbers may stand for categories.
        spare = {"NUM"} if "CAT" in wanted and has_whole_numbers(frame) else set()
        is_right = found <= wanted | spare
    if is_right or not wanted:
        return None
    return f"Datatypes incorrect. Data has types: {', '.join(sorted(types))}, but expected {rule}"


def _one_text_type(names: Iterable[str]) -> set[str]:
    """Free text and categories count as the same."""
    return {"CAT" if name == "TXT" else name for name in names}


_CHECKS: dict[str, Callable[[pd.DataFrame, Requirement, Side], str | None]] = {
    "number_of_columns": _columns_fault,
    "data_types": _types_fault,
    "sparse": _sparse_fault,
    "contains_missing": _missing_fault,
}
