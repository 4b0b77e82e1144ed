"""Completion in the shell, by argcomplete: what can stand at the cursor of a command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from datarobot_drum.drum.cli import values
from datarobot_drum.drum.enum import SERVER_TYPE_NAMES

#: The shell's wrapper sets it for a run that only asks for completions.
VARIABLE = "_ARGCOMPLETE"

_FOLDERS = frozenset({values.existing_dir, values.fit_output_dir, values.new_path})
_FILES = frozenset(
    {
        values.existing_file,
        values.labels_file,
        values.any_path,
        values.any_path_but_stdout,
        values.any_path_or_stdout,
    }
)
#: Options that read a word of their own, and the words that there are.
_WORDS: Mapping[str, Callable[[], Iterable[str]]] = {
    "server_type": lambda: SERVER_TYPE_NAMES,
    "framework": lambda: _frameworks(),
}


def complete(parser: argparse.ArgumentParser) -> None:
    """Write the completions of the line that the shell has handed over, and end the process.

    Files where an option reads a file, folders where it reads a folder, nothing where only the
    user knows the text.
    """
    import argcomplete
    from argcomplete.completers import SuppressCompleter

    for action in _actions(parser):
        _choose(action)
    argcomplete.autocomplete(parser, default_completer=SuppressCompleter())


def _choose(action: Any) -> None:
    """Give an option its completer; argcomplete itself knows what to do with choices."""
    from argcomplete.completers import DirectoriesCompleter, FilesCompleter

    if action.dest in _WORDS and action.choices is None:
        words = _WORDS[action.dest]
        action.completer = lambda **_: words()
    elif action.type in _FOLDERS:
        action.completer = DirectoriesCompleter()
    elif action.type in _FILES:
        action.completer = FilesCompleter()


def _actions(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    """All options of a parser and of the commands below it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)


def _frameworks() -> list[str]:
    from datarobot_drum.drum.cli.new import FRAMEWORKS

    return list(FRAMEWORKS)
