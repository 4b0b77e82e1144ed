"""Where the value of a setting comes from: a parameter, a variable, or the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from datarobot_drum.drum.errors import UsageError
from datarobot_drum.runtime_parameters.exceptions import RuntimeParameterException
from datarobot_drum.runtime_parameters.transport import decode, variable_name


class FromParam:
    """The sources of one setting.

    `name` and then `aliases` are looked for as a runtime parameter and as a variable of that
    name; `env` comes last and is only a variable. The command line beats them all, but comes
    after the names where `beats_option` is true. What `stops_on` says makes a start impossible;
    any other bad value is replaced by the default.
    """

    def __init__(
        self,
        name: str | None,
        *aliases: str,
        env: str | None = None,
        option: str | None = None,
        beats_option: bool = False,
        stops_on: Literal["nothing", "text", "anything"] = "nothing",
    ) -> None:
        self.name = name
        self.aliases = aliases
        self.env = env
        self.option = option
        self.beats_option = beats_option
        self.stops_on = stops_on


@dataclass(frozen=True)
class Found:
    """A value and the variable or option it came from."""

    source: str
    value: Any


def find(param: FromParam, override: Any, environ: Mapping[str, str]) -> Found | None:
    """The first source of a setting that has a value; empty text and null count as no value."""
    named = _named(param, environ)
    option = _option(param, override)
    first, second = (named, option) if param.beats_option else (option, named)
    last = _plain(param.env, environ) if param.env is not None else iter(())
    return next(chain(first, second, last), None)


def _option(param: FromParam, override: Any) -> Iterator[Found]:
    if override is not None:
        yield Found(param.option or "the command line", override)


def _named(param: FromParam, environ: Mapping[str, str]) -> Iterator[Found]:
    for name in (param.name, *param.aliases):
        if name is not None:
            yield from _parameter(name, environ)
            yield from _plain(name, environ)


def _parameter(name: str, environ: Mapping[str, str]) -> Iterator[Found]:
    variable = variable_name(name)
    text = environ.get(variable, "")
    try:
        value = decode(variable, text).value
    except RuntimeParameterException as error:
        raise UsageError(str(error)) from error
    if value is not None and value != "":
        yield Found(name, _as_text(value))


def _plain(name: str, environ: Mapping[str, str]) -> Iterator[Found]:
    text = environ.get(name, "")
    if text != "":
        yield Found(name, text)


def _as_text(value: Any) -> Any:
    """One spelling for a value, however it was sent: numbers and booleans become their text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) else value
