"""Where a result goes: a file that appears only when it is complete, or stdout."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from datarobot_drum.drum.errors import DrumError

#: A file that is itself a mount point can be written, but nothing can be put in its place.
_NOT_REPLACEABLE = frozenset({errno.EBUSY, errno.EXDEV})


def check_output(name: str) -> None:
    """Refuse a file that cannot be written, before any work is done for it."""
    path = _target(name)
    if path.is_dir():
        raise DrumError(f"--output {name} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise DrumError(f"the folder of --output does not exist: {path.parent}; create it first")
    writable = path if path.exists() else path.parent
    if not os.access(writable, os.W_OK):
        raise DrumError(f"--output {name} cannot be written; choose another place")


@contextmanager
def output_file(name: str) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `name` when the block ends without an error.

    What was there before stays until then, and stays if the block fails. A device or a pipe is
    written directly, and so is a file in a folder in which no other can be made.
    """
    path = _target(name)
    if not _can_be_replaced(path):
        with path.open("wb") as file:
            yield file
        return
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
        _put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)


def _target(name: str) -> Path:
    """The file behind links, so that a link stays one; `/dev/stdout` has no path behind it."""
    real = os.path.realpath(name)
    return Path(real if os.path.exists(real) or not os.path.exists(name) else name)


def _can_be_replaced(path: Path) -> bool:
    if not path.exists():
        return True
    return stat.S_ISREG(path.stat().st_mode) and os.access(path.parent, os.W_OK)


def _put_in_place(part: Path, path: Path) -> None:
    if path.exists():
        shutil.copymode(path, part)
    try:
        part.replace(path)
    except OSError as error:
        if error.errno not in _NOT_REPLACEABLE:
            raise
        shutil.copyfile(part, path)


@contextmanager
def stdout_file() -> Iterator[BinaryIO]:
    """The bytes of stdout, after all text that was written to it so far."""
    sys.stdout.flush()
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
