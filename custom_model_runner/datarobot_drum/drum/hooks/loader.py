"""Imports `custom.py` and makes its hooks callable."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import sys
from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from datarobot_drum.custom_task_interfaces import CustomTaskInterface
from datarobot_drum.drum.enum import CUSTOM_FILE_NAME, TargetType
from datarobot_drum.drum.errors import LoadHookError, StartupError
from datarobot_drum.drum.hooks.loops import OWN_LOOP, Awaiter, shared_awaiter
from datarobot_drum.drum.hooks.spec import CHAT, FIT, HOOKS, INIT, LOAD_MODEL, Hook

logger = logging.getLogger("drum.hooks")

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
#: these run once, so that nothing is gained when they wait together
SINGLE = frozenset({INIT.name, LOAD_MODEL.name, FIT.name})
BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class BoundHook:
    """A hook as its author wrote it, called with the arguments it can take."""

    hook: Hook
    function: Callable[..., Any]
    positional_count: int
    keywords: frozenset[str] | None
    shares_loop: bool = False

    def __call__(self, *args: Any, **extras: Any) -> Any:
        """Call with as many of `args` as it takes and the `extras` it accepts.

        A coroutine is run to its end and an async stream becomes an iterator: on the event loop of
        the calling thread, or with `shares_loop` where `use_awaiter` says.
        """
        if self.keywords is not None:
            extras = {name: value for name, value in extras.items() if name in self.keywords}
        try:
            result = self.function(*args[: self.positional_count], **extras)
            if inspect.iscoroutine(result):
                result = self._awaiter.wait(result)
        except Exception:
            raise
        except BaseException as error:
            # SystemExit, say, ends a command but not a server, which shows this note
            error.add_note(f"Model '{self.hook.name}' hook failed.")
            raise
        if inspect.isasyncgen(result) or (self.hook is CHAT and _is_async_stream(result)):
            return self._awaiter.iterate(result)
        return result

    @property
    def _awaiter(self) -> Awaiter:
        return shared_awaiter() if self.shares_loop else OWN_LOOP


def _is_async_stream(result: Any) -> bool:
    return isinstance(result, AsyncIterable) and not isinstance(result, Iterable)


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

    @property
    def is_async(self) -> bool:
        """Is a hook that answers requests declared `async def`?"""
        return any(bound.shares_loop for bound in self.bound.values())


def sharing_loop(bound: dict[str, BoundHook]) -> dict[str, BoundHook]:
    """The same hooks; all share one loop when any that answers requests is `async def`.

    All, because what an `async def load_model` makes belongs to the loop that it ran on.
    """
    answering = (hook.function for name, hook in bound.items() if name not in SINGLE)
    if not any(map(is_async, answering)):
        return bound
    return {name: replace(hook, shares_loop=True) for name, hook in bound.items()}


def is_async(function: Callable[..., Any]) -> bool:
    """Is it, below its decorators, declared with `async def`? An object's `__call__` counts."""
    inner: Any = inspect.unwrap(function)
    return any(
        inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in (inner, type(inner).__call__)
    )


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
    return ModelHooks(sharing_loop(found), path)


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
