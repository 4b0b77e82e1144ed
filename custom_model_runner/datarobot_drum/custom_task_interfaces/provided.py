"""The secrets that tasks of this process may read now.

They belong to the process and not to a task, so that no pickle of a task can hold one.
"""

from __future__ import annotations

from collections.abc import Mapping

from datarobot_drum.custom_task_interfaces.secret_types import AbstractSecret

_provided: dict[str, AbstractSecret] = {}


def provide_secrets(secrets: Mapping[str, AbstractSecret]) -> None:
    """Let tasks read these secrets, by their names, in place of those before."""
    _provided.clear()
    _provided.update(secrets)


def provided_secrets() -> dict[str, AbstractSecret]:
    """The secrets by their names; empty while there are none."""
    return dict(_provided)
