"""YAML in two readings: as the text that was written, and with numbers, booleans and nulls."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Typed(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, where PyYAML silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            if str(key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key.value!r}", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class _Text(_Typed):
    """Every scalar is the text that was written, so that labels `1.0` and `yes` stay so."""


def _resolvers(is_kept: Callable[[str], bool]) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """The rules that give untagged scalars their types, only those for some tags."""
    return {
        first: [(tag, pattern) for tag, pattern in rules if is_kept(tag)]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


# JSON has no dates, so they stay text.
_Typed.yaml_implicit_resolvers = _resolvers(lambda tag: tag != _TIMESTAMP)
_Text.yaml_implicit_resolvers = _resolvers(lambda tag: tag == _MERGE)


def read_typed(content: str) -> Any:
    """Parse with numbers, booleans and nulls; ValueError says what is wrong and where."""
    return _parse(content, _Typed)


def read_as_text(content: str) -> Any:
    """Parse with every scalar as text; ValueError says what is wrong and where."""
    return _parse(content, _Text)


def _parse(content: str, loader: type[_Typed]) -> Any:
    try:
        return yaml.load(content, Loader=loader)  # noqa: S506 - derived from the safe loader
    except yaml.MarkedYAMLError as error:
        # The error's own text quotes the line, which may hold a credential.
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{error.problem}{line}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
