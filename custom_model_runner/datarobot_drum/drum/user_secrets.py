"""User secrets of class tasks: read from files and variables, and kept out of all output."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from datarobot_drum.custom_task_interfaces.provided import provide_secrets
from datarobot_drum.custom_task_interfaces.secret_types import (
    AbstractSecret,
    secret_from,
    texts_of,
)
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.observability.masking import mask_output


def provide_user_secrets(mount_path: str | None, prefix: str | None) -> None:
    """Let class tasks read the secrets of a folder and of variables; both may be None.

    From then on their texts are masked wherever this process writes text.
    """
    if mount_path is None and prefix is None:
        return
    secrets = read_user_secrets(mount_path, prefix, os.environ)
    mask_output(text for secret in secrets.values() for text in texts_of(secret))
    provide_secrets(secrets)


def withdraw_user_secrets() -> None:
    """Take the secrets from the tasks; the output stays masked, as one may still hold a text."""
    provide_secrets({})


def read_user_secrets(
    mount_path: str | None, prefix: str | None, environ: Mapping[str, str]
) -> dict[str, AbstractSecret]:
    """The secrets by their names; one in a file comes before one in a variable.

    Raises DrumError that names the file or the variable and never shows what it holds.
    """
    found = {**_in_variables(prefix, environ), **_in_files(mount_path)}
    return {name: _parsed(source, text) for name, (source, text) in found.items()}


def _in_variables(prefix: str | None, environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    if prefix is None:
        return {}
    start = f"{prefix}_"
    names = [name for name in environ if name.startswith(start) and name != start]
    return {name.removeprefix(start): (f"variable {name}", environ[name]) for name in names}


def _in_files(mount_path: str | None) -> dict[str, tuple[str, str]]:
    if mount_path is None:
        return {}
    try:
        return {
            path.name: (f"file {path}", path.read_text(encoding="utf-8"))
            for path in sorted(Path(mount_path).iterdir())
            # a mounted volume holds hidden folders besides the links to its files
            if path.is_file() and not path.name.startswith(".")
        }
    except (OSError, UnicodeDecodeError) as error:
        # the error itself would quote the bytes that are not UTF-8
        reason = error.strerror if isinstance(error, OSError) else "a file is not UTF-8 text"
        raise DrumError(f"cannot read the user secrets in {mount_path}: {reason}") from None


def _parsed(source: str, text: str) -> AbstractSecret:
    try:
        return secret_from(json.loads(text))
    except (json.JSONDecodeError, RecursionError):
        raise DrumError(f"user secret in {source} is not JSON; write one JSON object") from None
    except ValueError as error:
        raise DrumError(f"user secret in {source}: {error}") from None
