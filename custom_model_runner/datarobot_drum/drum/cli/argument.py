"""What one row of the table of arguments says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from datarobot_drum.drum.cli import values

#: The letters that `Argument.commands` uses for the subcommands.
COMMAND_LETTERS = MappingProxyType(
    {
        "S": "score",
        "F": "fit",
        "P": "perf-test",
        "V": "validation",
        "W": "server",
        "N": "new",
        "U": "push",
    }
)

#: Headings of `--help`, in order.
SECTIONS = MappingProxyType(
    {
        "model": "model",
        "data": "input and output",
        "server": "server",
        "fit": "training",
        "check": "checks",
        "test": "performance test",
        "log": "messages",
        "docker": "docker",
        "platform": "platform",
        "gpu": "GPU predictors",
    }
)


@dataclass(frozen=True)
class Argument:
    """One option: its spellings, the commands that accept it, and what it means.

    `env` are variables that fill it when the command line does not (first one set wins);
    `exclusive` names a group of options of which only one may be given.
    """

    section: str
    flags: tuple[str, ...]
    commands: str
    help: str
    kind: Mapping[str, Any] = field(default_factory=dict)
    default: Any = None
    required: str = ""
    env: tuple[str, ...] = ()
    exclusive: str | None = None

    @property
    def dest(self) -> str:
        """The attribute of the parsed command line that holds the value."""
        long = next(flag for flag in self.flags if flag.startswith("--"))
        return long[2:].replace("-", "_")

    @property
    def is_flag(self) -> bool:
        """Is it given without a value?"""
        return self.kind.get("action") == "store_true"

    @property
    def is_list(self) -> bool:
        """Does it take several values?"""
        return "nargs" in self.kind

    def accepted_by(self, command: str) -> bool:
        """Is it an option of this subcommand?"""
        return any(COMMAND_LETTERS[letter] == command for letter in self.commands)

    def required_by(self, command: str) -> bool:
        """Must it be given, on the command line or by its variable?"""
        return any(COMMAND_LETTERS[letter] == command for letter in self.required)


FLAG: Mapping[str, Any] = MappingProxyType({"action": "store_true"})
TEXT: Mapping[str, Any] = MappingProxyType({})
FILE: Mapping[str, Any] = MappingProxyType({"type": values.existing_file, "metavar": "FILE"})
COUNT: Mapping[str, Any] = MappingProxyType({"type": values.positive_int, "metavar": "N"})


def choice(*names: str) -> Mapping[str, Any]:
    """One of these words."""
    return {"choices": names}


def named(metavar: str) -> Mapping[str, Any]:
    """Any text; help calls it by this name."""
    return {"metavar": metavar}
