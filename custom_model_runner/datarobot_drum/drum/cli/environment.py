"""Environment variables that stand in for arguments; the command line always wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from datarobot_drum.drum.cli.argument import Argument
from datarobot_drum.drum.cli.values import truth

#: Groups in which what was given beats the variables of the other members, without complaint.
_GIVEN_BEATS_VARIABLE = frozenset({"labels"})


def stand_in(argument: Argument, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Name and text of the first variable of this argument that is set and not empty."""
    for name in argument.env:
        if text := environ.get(name):
            return name, text
    return None


def stand_ins(
    arguments: Sequence[Argument], given: Iterable[str], environ: Mapping[str, str]
) -> dict[str, list[str]]:
    """For each argument that is not given but has a variable: the words to add to the line.

    Lists are left out: a word that begins with a dash could not be told from an option.
    Raises ValueError when the variable of a flag holds neither yes nor no.
    """
    missing = _missing(arguments, given)
    words = {argument.dest: _words(argument, environ) for argument in missing}
    return {dest: line for dest, line in words.items() if line}


def list_stand_ins(
    arguments: Sequence[Argument], given: Iterable[str], environ: Mapping[str, str]
) -> dict[str, list[str]]:
    """For each list that is not given but has a variable: its values, which blanks separate."""
    lists = [argument for argument in _missing(arguments, given) if argument.is_list]
    found = {argument.dest: stand_in(argument, environ) for argument in lists}
    return {dest: pair[1].split() for dest, pair in found.items() if pair and pair[1].split()}


def _missing(arguments: Sequence[Argument], given: Iterable[str]) -> list[Argument]:
    """What a variable may stand in for."""
    given = frozenset(given)
    settled = {argument.exclusive for argument in arguments if argument.dest in given}
    return [
        argument
        for argument in arguments
        if argument.dest not in given
        and not (argument.exclusive in _GIVEN_BEATS_VARIABLE and argument.exclusive in settled)
    ]


def _words(argument: Argument, environ: Mapping[str, str]) -> list[str]:
    found = stand_in(argument, environ)
    if found is None or argument.is_list:
        return []
    name, text = found
    option = argument.flags[-1]
    if argument.is_flag:
        return [option] if _flag(name, text) else []
    return [f"{option}={text}"]


def _flag(name: str, text: str) -> bool:
    try:
        return truth(text)
    except ValueError as error:
        raise ValueError(f"variable {name}: {error}") from None
