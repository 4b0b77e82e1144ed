"""The settings as rows, from which the reference page is written."""

from __future__ import annotations

import ast
import inspect
import itertools
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from datarobot_drum.drum.settings.inference import InferenceSettings
from datarobot_drum.drum.settings.loading import source_of
from datarobot_drum.drum.settings.ranges import describe_range, plain_type
from datarobot_drum.drum.settings.table import Settings


@dataclass(frozen=True)
class SettingRow:
    """One setting as an operator sees it.

    `parameter` is the first name to look for; `aliases` are the other sources, the command
    line's option among them.
    """

    name: str
    parameter: str
    aliases: tuple[str, ...]
    type: str
    range: str
    default: str
    doc: str


def setting_rows() -> list[SettingRow]:
    """Every setting, in the order of the table."""
    return _rows(Settings)


def inference_setting_rows() -> list[SettingRow]:
    """Every setting of inference servers behind a model, in the order of their table."""
    return _rows(InferenceSettings)


def _rows(table: type[BaseModel]) -> list[SettingRow]:
    docs = _docs(table)
    return [_row(name, field, docs[name]) for name, field in table.model_fields.items()]


def _docs(model: type[BaseModel]) -> dict[str, str]:
    """The line of documentation below each field.

    Read from the source here, not by pydantic: that would cost every start of a command.
    """
    return {
        name: doc
        for part in reversed(model.__mro__)
        if issubclass(part, BaseModel) and part is not BaseModel
        for name, doc in _own_docs(part).items()
    }


def _own_docs(model: type[BaseModel]) -> dict[str, str]:
    (table,) = ast.parse(inspect.getsource(model)).body
    statements = table.body if isinstance(table, ast.ClassDef) else []
    return {
        field.target.id: line.value.value
        for field, line in itertools.pairwise(statements)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    }


def _row(name: str, field: FieldInfo, doc: str) -> SettingRow:
    source = source_of(field)
    sources = [source.name, source.option, *source.aliases, source.env]
    parameter, *others = [text for text in sources if text is not None]
    return SettingRow(
        name=name,
        parameter=parameter,
        aliases=tuple(others),
        type=_type_word(plain_type(field.annotation)),
        range=describe_range(field),
        default=_default_word(field.default),
        doc=doc,
    )


def _type_word(kind: Any) -> str:
    if kind in (bool, int, float):
        return str(kind.__name__)
    is_choice = get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum))
    return "choice" if is_choice else "text" if kind is str else "list"


def _default_word(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    return (
        ""
        if default is None
        else str(default).lower()
        if default in (True, False)
        else str(default)
    )
