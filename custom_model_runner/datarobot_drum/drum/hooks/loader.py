"""Imports `custom.py` and makes its hooks callable."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from datarobot_drum.custom_task_interfaces import CustomTaskInterface
from datarobot_drum.drum.enum import CUSTOM_FILE_NAME, TargetType
from datarobot_drum.drum.errors import LoadHookError, StartupError
from datarobot_drum.drum.hooks.loops import thread_loop
from datarobot_drum.drum.hooks.spec import HOOKS, Hook

logger = logging.getLogger("drum.hooks")

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class BoundHook:
    """A hook as its author wrote it, called with the arguments it can take."""

    hook: Hook
    function: Callable[..., Any]
    positional_count: int
    keywords: frozenset[str] | None

    def __call__(self, *args: Any, **extras: Any) -> Any:
        """Call with as many of `args` as it takes and the `extras` it accepts.

        A coroutine is run to its end and an async generator becomes an iterator, on the event
        loop of the calling thread.
        """
        if self.keywords is not None:
            extras = {name: value for name, value in extras.items() if name in self.keywords}
        try:
            result = self.function(*args[: self.positional_count], **extras)
            if inspect.iscoroutine(result):
                result = thread_loop().run_until_complete(result)
        except Exception:
            raise
        except BaseException as error:
            # SystemExit, say, ends a command but not a server, which shows this note
            error.add_note(f"Model '{self.hook.name}' hook failed.")
            raise
        if inspect.isasyncgen(result):
            return _iterate(cast("AsyncGenerator[Any, None]", result))
        return result


def _iterate(items: AsyncGenerator[Any, None]) -> Iterator[Any]:
    loop = thread_loop()
    try:
        while True:
            try:
                yield loop.run_until_complete(anext(items))
            except StopAsyncIteration:
                return
    finally:
        loop.run_until_complete(items.aclose())


def bind(hook: Hook, function: Callable[..., Any]) -> BoundHook:
    """Check that `function` can be called as `hook` is; StartupError says what it should take."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        # built without a signature (an extension type): trust it with everything
        return BoundHook(hook, function, len(hook.positional), None)
    count = _positional_count(hook, parameters)
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    keywords = (
        None if open_ended else frozenset(p.name for p in parameters if p.kind not in VARIABLE)
    )
    return BoundHook(hook, function, count, keywords)


def _positional_count(hook: Hook, parameters: list[inspect.Parameter]) -> int:
    wanted = len(hook.positional)
    least = wanted - hook.optional
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return wanted
    positional = [p for p in parameters if p.kind in BY_POSITION]
    required = [p for p in positional if p.default is inspect.Parameter.empty]
    surplus = [p.name for p in required[wanted:] if p.name not in hook.extras]
    if hook.positional and (len(positional) < least or surplus):
        raise StartupError(_shape_message(hook, len(parameters)))
    return min(wanted, len(positional))


def _shape_message(hook: Hook, found: int) -> str:
    if hook.optional:
        wanted = len(hook.positional)
        return (
            f"{hook.name.capitalize()} hook must take {wanted - hook.optional} or {wanted} "
            f"arguments; hook provided takes {found}"
        )
    return (
        f"hook {hook.name!r} must take {len(hook.positional)} positional arguments "
        f"({', '.join(hook.positional)}); hook provided takes {found}"
    )


@dataclass(frozen=True)
class ModelHooks:
    """The hooks of one model folder; a hook that is not defined is None.

    A folder with a class task has no hooks.
    """

    bound: dict[str, BoundHook] = field(default_factory=dict)
    path: Path | None = None
    task: type[CustomTaskInterface] | None = None

    def get(self, hook: Hook) -> BoundHook | None:
        """The author's function for `hook`, if there is one."""
        return self.bound.get(hook.name)

    def __contains__(self, hook: Hook) -> bool:
        return hook.name in self.bound


def load_hooks(path: Path | None, code_dir: str, target_type: TargetType) -> ModelHooks:
    """Import `path` under the name `custom` and bind the hooks that `target_type` uses.

    The file's folder goes to the front of the import path and the model folder to its end. An
    exception other than ImportError goes through unchanged: it is the author's.
    """
    if path is None:
        return ModelHooks()
    logger.info("Detected %s .. trying to load hooks", path)
    module = _import_custom(path, code_dir)
    if task := getattr(module, "CustomTask", None):
        return ModelHooks({}, path, _checked_task(task))
    found = {
        hook.name: bind(hook, function)
        for hook in HOOKS
        if target_type in hook.targets
        and (function := getattr(module, hook.name, None)) is not None
    }
    return ModelHooks(found, path)


def _checked_task(task: Any) -> type[CustomTaskInterface]:
    if isinstance(task, type) and issubclass(task, CustomTaskInterface):
        return task
    raise StartupError("The CustomTask class must inherit from the CustomTaskInterface")


def _import_custom(path: Path, code_dir: str) -> ModuleType:
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    if code_dir not in sys.path:
        sys.path.append(code_dir)
    spec = importlib.util.spec_from_file_location(CUSTOM_FILE_NAME, path)
    if spec is None or spec.loader is None:
        raise StartupError(f"cannot import {path}; it must be a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[CUSTOM_FILE_NAME] = module
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise LoadHookError(
            "\n\nRunning environment language: Python.\n"
            f"Failed loading hooks from [{path}] : {error}"
        ) from error
    return module
