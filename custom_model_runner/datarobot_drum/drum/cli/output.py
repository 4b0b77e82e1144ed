"""Where a result goes: a file that appears only when it is complete, or stdout.

A result on stdout is alone there: what model code prints meanwhile goes to stderr.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from datarobot_drum.drum.errors import DrumError

#: A file that is itself a mount point can be written, but nothing can be put in its place.
_NOT_REPLACEABLE = frozenset({errno.EBUSY, errno.EXDEV})

STDOUT = 1
STDERR = 2


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
def stdout_for_result() -> Iterator[BinaryIO]:
    """Stdout as a file for the result alone; all else that is printed meanwhile goes to stderr.

    That holds for `print`, for C code, and for programs that are started in the block.
    """
    with _prints_on_stderr() as descriptor, open(descriptor, "wb", closefd=False) as result:
        yield result


@contextmanager
def _prints_on_stderr() -> Iterator[int]:
    """Point stdout at stderr; a descriptor of what it was before."""
    printed = sys.stdout
    printed.flush()
    original = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    sys.stdout = sys.stderr
    try:
        yield original
    finally:
        try:
            _flush_prints(printed)
        finally:
            sys.stdout = printed
            os.dup2(original, STDOUT)
            os.close(original)


def _flush_prints(printed: TextIO) -> None:
    """Let out what was printed past the new `sys.stdout`, while it still goes to stderr."""
    printed.flush()
    # C code has a buffer of its own, which would come out at the end of the process
    ctypes.CDLL(None).fflush(None)
