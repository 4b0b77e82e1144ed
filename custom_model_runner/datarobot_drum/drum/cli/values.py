"""Types of command line values: text in, checked value out.

Each raises ArgumentTypeError, which argparse turns into a usage error (exit code 2).
"""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from pathlib import Path

from datarobot_drum.drum.enum import ServerType


class PortOfDefault(int):
    """A port that nobody named; a container cannot publish it unasked."""


DEFAULT_PORT = PortOfDefault(5000)
ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - what `--address :8080` asks for

#: What one process can do as a client; beyond it, start several commands with --url.
MAX_CLIENTS = 500
MAX_RATE = 20_000

#: The name that stands for stdout where a file is asked for.
STDOUT = "-"

TOO_FEW_LABELS = "Multiclass classification requires at least 2 labels."

TRUE_WORDS = frozenset({"1", "t", "true", "y", "yes", "on"})
FALSE_WORDS = frozenset({"0", "f", "false", "n", "no", "off"})


def existing_file(text: str) -> str:
    """The real path of a file that exists; a pipe such as `/dev/stdin` keeps its name."""
    if not os.path.exists(text):
        raise ArgumentTypeError(f"The file {text} does not exist!")
    if os.path.isdir(text):
        raise ArgumentTypeError(f"The path {text} is not a file!")
    real = os.path.realpath(text)
    return real if os.path.exists(real) else os.path.abspath(text)


def existing_dir(text: str) -> str:
    """The real path of a folder that exists."""
    if not os.path.isdir(text):
        raise ArgumentTypeError(f"The path {text} is not a directory!")
    return os.path.realpath(text)


def fit_output_dir(text: str) -> str:
    """The real path of the folder that receives a trained model."""
    if not os.path.isdir(text):
        raise ArgumentTypeError(
            f"The path {text} is not a directory! For custom tasks, the output directory will "
            "consist of the artifacts usable for making predictions."
        )
    return os.path.realpath(text)


def new_path(text: str) -> str:
    """The absolute path of something that does not exist yet."""
    if os.path.exists(text):
        raise ArgumentTypeError(
            f"The path {text} already exists! Please provide a non existing path!"
        )
    return os.path.abspath(text)


def any_path(text: str) -> str:
    """The absolute path of a file to write; whether that works is checked by the command."""
    return os.path.abspath(text)


def any_path_or_stdout(text: str) -> str:
    """The absolute path of a file to write, or `-` as it is."""
    return text if text == STDOUT else any_path(text)


def any_path_but_stdout(text: str) -> str | None:
    """The absolute path of a file to write, or None for `-`, as if no file had been named."""
    return None if text == STDOUT else any_path(text)


def positive_int(text: str) -> int:
    """A whole number above zero."""
    try:
        number = int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number <= 0:
        raise ArgumentTypeError("must be > 0")
    return number


def row_count(text: str) -> int | None:
    """A whole number above zero, or None for the word ALL."""
    return None if text.upper() == "ALL" else positive_int(text)


def clients(text: str) -> int:
    """A number of clients that one process can play."""
    number = positive_int(text)
    if number > MAX_CLIENTS:
        raise ArgumentTypeError(f"must be at most {MAX_CLIENTS}")
    return number


def rates(text: str) -> tuple[float, ...]:
    """Requests a second, one number or several separated by commas."""
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no number or list of numbers") from None
    if not all(0 < number <= MAX_RATE for number in numbers):
        raise ArgumentTypeError(f"{text!r}: use numbers above 0 and up to {MAX_RATE}")
    return numbers


def server_types(text: str) -> tuple[str, ...]:
    """Names of server types, separated by commas, each once, without aliases."""
    try:
        return tuple(dict.fromkeys(ServerType.parse(word).value for word in text.split(",")))
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def labels_file(text: str) -> tuple[str, ...]:
    """The class labels in a file, one a line; blank lines do not count."""
    try:
        lines = Path(existing_file(text)).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentTypeError(f"The file {text} cannot be read: {error}") from None
    labels = tuple(line for line in lines if line.strip())
    if len(labels) < 2:
        raise ArgumentTypeError(TOO_FEW_LABELS)
    return labels


def address(text: str) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or `:port` (all interfaces)."""
    host, port = _split_address(text)
    if any(character in host for character in "/ @"):
        raise ArgumentTypeError(f"cannot read {text!r}; use host, host:port or [v6]:port")
    if not port:
        return host or ALL_INTERFACES, DEFAULT_PORT
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ArgumentTypeError(f"the port in {text!r} must be a number from 0 to 65535")
    return host or ALL_INTERFACES, int(port)


def _split_address(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        if rest and not rest.startswith(":"):
            raise ArgumentTypeError(f"cannot read {text!r}; use [v6] or [v6]:port")
        return host, rest[1:]
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    if not host and not port:
        raise ArgumentTypeError("is empty; use host, host:port or [v6]:port")
    return host, port


def truth(text: str) -> bool:
    """Does a word mean yes? Raises ValueError when it means neither yes nor no."""
    word = text.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError(
        f"value can't be converted to Bool: {text!r}; use one of "
        f"{', '.join(sorted(TRUE_WORDS))} or {', '.join(sorted(FALSE_WORDS))}"
    )
