"""The folder of a trained model: made apart, and put in its place only when all went well."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from datarobot_drum.drum.errors import DrumError

logger = logging.getLogger("drum.fit")

README = "README.md"
README_TEXT = """\
This folder was written by `drum fit`: the code of a model and the artifacts that it was trained to.
Predict with it: `drum score --code-dir <this folder> --input <data>`.
"""
CACHE = "__pycache__"


def check_output_folder(output: str | None, code_dir: str, written: Sequence[str] = ()) -> None:
    """Refuse a folder that cannot receive the model, before any work is done for it.

    `written` are names of files that will be added to those of the model folder.
    """
    if output is None:
        return
    if os.path.realpath(output) == os.path.realpath(code_dir):
        raise DrumError("The code directory may not be used as the output directory.")
    if not os.access(output, os.W_OK | os.X_OK):
        raise DrumError(f"--output {output} cannot be written; choose another folder")
    folders, files = _code_names(code_dir, output)
    _refuse_blocked(folders, [*files, *map(Path, written)], output)


@contextmanager
def training_folder(output: str | None) -> Iterator[Path]:
    """An empty folder to train into, removed at the end.

    It is inside the output folder, so that its files can be moved there and not copied.
    """
    name = tempfile.mkdtemp(prefix=".drum-fit-", dir=output)
    try:
        yield Path(os.path.realpath(name))
    finally:
        _remove(name)


def _remove(folder: str) -> None:
    _open_folders(folder)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        logger.warning("the folder of the training is left in part: %s: %s", folder, error)
        # one file must not keep all others
        shutil.rmtree(folder, ignore_errors=True)


def _open_folders(top: str | Path) -> None:
    """Let the owner read, write and enter a folder and all below: a copy has the source's modes."""
    os.chmod(top, os.stat(top).st_mode | stat.S_IRWXU)
    for folder, names, _ in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                os.chmod(path, os.stat(path).st_mode | stat.S_IRWXU)


def add_code(code_dir: str, folder: Path, output: str | None) -> list[str]:
    """Copy the model folder to the trained artifacts; the names of files that those replace.

    Left out are bytecode, the output folder (which may be inside), and links that lead back up.
    """
    replaced: list[str] = []
    skipped = {os.path.realpath(path) for path in (folder, output) if path is not None}

    def copy(source: str, target: str) -> str:
        if os.path.lexists(target):
            replaced.append(os.path.relpath(target, folder))
            return target
        return shutil.copy2(source, target)

    try:
        shutil.copytree(
            code_dir, folder, ignore=_ignored(skipped), copy_function=copy, dirs_exist_ok=True
        )
    finally:
        _open_folders(folder)
    return replaced


def _code_names(code_dir: str, output: str) -> tuple[list[Path], list[Path]]:
    """The folders and files that `add_code` would copy, seen from the model folder."""
    found: tuple[list[Path], list[Path]] = ([], [])
    ignored = _ignored({os.path.realpath(output)})
    for folder, *kinds in os.walk(code_dir, followlinks=True):
        for names, kept in zip(kinds, found, strict=True):
            left_out = ignored(folder, names)
            names[:] = [name for name in names if name not in left_out]
            kept += [Path(folder, name).relative_to(code_dir) for name in names]
    return found


def _refuse_blocked(folders: Iterable[Path], files: Iterable[Path], output: str) -> None:
    top = Path(output)
    blocked = [name for name in files if (top / name).is_dir()]
    blocked += [name for name in folders if (top / name).is_file()]
    if blocked:
        raise DrumError(f"--output {output} has {blocked[0]} of another kind; remove it first")


def _ignored(skipped: set[str]) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if _is_left_out(folder, name, skipped)}

    return ignored


def _is_left_out(folder: str, name: str, skipped: set[str]) -> bool:
    path = os.path.join(folder, name)
    real = os.path.realpath(path)
    if name == CACHE or real in skipped:
        return True
    if os.path.isdir(path):
        is_loop = os.path.realpath(folder).startswith(real + os.sep) or real == folder
        return os.path.islink(path) and is_loop
    # a link to nothing, a pipe or a socket cannot be copied
    return not os.path.exists(path) or not stat.S_ISREG(os.stat(path).st_mode)


def add_readme(folder: Path, output: str | None) -> None:
    """Say what the folder is, unless a README is there already."""
    has_own = output is not None and Path(output, README).exists()
    if not has_own and not (folder / README).exists():
        (folder / README).write_text(README_TEXT, encoding="utf-8")


def publish(folder: Path, output: str) -> list[str]:
    """Move all files to the output folder; the names of those that were there before."""
    found = sorted(folder.rglob("*"))
    # a link to a folder is moved as a link
    folders = [
        path.relative_to(folder) for path in found if path.is_dir() and not path.is_symlink()
    ]
    files = [path.relative_to(folder) for path in found if path.is_symlink() or not path.is_dir()]
    top = Path(output)
    _refuse_blocked(folders, files, output)
    overwritten = [str(name) for name in files if os.path.lexists(top / name)]
    for name in folders:
        (top / name).mkdir(parents=True, exist_ok=True)
    for name in files:
        (folder / name).replace(top / name)
    return overwritten
