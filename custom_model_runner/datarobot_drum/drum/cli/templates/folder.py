"""A new folder, made of template files: all of it appears at once, or nothing does."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from datarobot_drum.drum.errors import DrumError

#: Files with this ending are filled in, the others are copied.
FILLED_IN = ".j2"
EXECUTABLE = ".sh"


def template_names(*kind: str) -> list[str]:
    """Which templates there are of a kind, such as `python`."""
    return sorted(entry.name for entry in _place(*kind).iterdir() if entry.is_dir())


def create(path: str, templates: list[tuple[str, ...]], values: Mapping[str, object]) -> None:
    """Make the folder `path` out of the files of each template.

    Raises DrumError when that cannot be done; then nothing is left behind.
    """
    target = Path(path)
    try:
        with _new_folder(target) as part:
            for template in templates:
                for entry in _place(*template).iterdir():
                    if entry.is_file():
                        _write(entry, part, values)
    except OSError as error:
        raise DrumError(f"{path} cannot be created: {error.strerror or error}") from error


def _place(*names: str) -> Traversable:
    return files(__package__).joinpath("files", *names)


def _write(entry: Traversable, folder: Path, values: Mapping[str, object]) -> None:
    text = entry.read_text(encoding="utf-8")
    if entry.name.endswith(FILLED_IN):
        text = _filled_in(text, values)
    file = folder / entry.name.removesuffix(FILLED_IN)
    file.write_text(text, encoding="utf-8")
    if file.suffix == EXECUTABLE:
        file.chmod(0o755)


def _filled_in(text: str, values: Mapping[str, object]) -> str:
    from jinja2 import Environment, StrictUndefined

    # plain text files: there is nothing to escape
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(text).render(values)


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target that takes its name at the end."""
    made = [parent for parent in target.parents if not parent.exists()]
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        yield part
        # a folder that somebody else has made meanwhile is replaced only if it is empty
        os.rename(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise
