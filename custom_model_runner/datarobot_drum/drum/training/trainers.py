"""Who trains: the `fit` hook of a folder, its class task, or R code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datarobot_drum.custom_task_interfaces import CustomTaskInterface
from datarobot_drum.drum.enum import CUSTOM_FILE_NAME, TargetType
from datarobot_drum.drum.errors import DrumError, InvalidOutput
from datarobot_drum.drum.exceptions import DrumSerializationError
from datarobot_drum.drum.hooks import spec as hooks
from datarobot_drum.drum.hooks.loader import BoundHook, ModelHooks, bind, load_hooks
from datarobot_drum.drum.hooks.spec import Hook
from datarobot_drum.drum.model_folder import Target, detect_language, find_custom_file

if TYPE_CHECKING:
    import pandas as pd

NO_FIT = (
    "fit() method must be implemented in a file named 'custom.py' in the provided code_dir; "
    "define fit(X, y, output_dir, class_order, row_weights, parameters, **kwargs)"
)


@dataclass(frozen=True)
class FitArguments:
    """What training is given, by the keywords that model code knows."""

    X: pd.DataFrame
    y: pd.Series[Any] | None
    output_dir: str
    class_order: list[str] | None
    row_weights: pd.Series[Any] | None
    parameters: dict[str, Any]

    def keywords(self) -> dict[str, Any]:
        """The arguments by their names."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


Trainer = Callable[[FitArguments], None]

TASK_FIT = Hook("fit", (), "Trains the task.", hooks.FIT.extras)


def find_trainer(code_dir: str, target: Target) -> Trainer:
    """Import the folder's code and find what trains; DrumError when there is nothing."""
    language = _language(code_dir)
    if language == "r":
        return _r_trainer(code_dir, target)
    found = load_hooks(find_custom_file(code_dir), code_dir, target.type)
    if found.task is not None:
        task = found.task
        return lambda arguments: _fit_task(task, arguments)
    if (init := found.get(hooks.INIT)) is not None:
        init(code_dir=code_dir)
    fit = found.get(hooks.FIT)
    if fit is None:
        raise DrumError(NO_FIT)
    return _hook_trainer(fit, found, target)


def _language(code_dir: str) -> str:
    language = detect_language(code_dir)
    if language not in ("python", "r"):
        raise DrumError(f"models in language {language!r} cannot be trained; use Python or R")
    custom = find_custom_file(code_dir) if language == "python" else None
    if custom is not None and custom.parent != Path(code_dir):
        raise DrumError(
            "Can not detect language by artifacts and/or custom.py/R files: to be trained, a "
            f"folder must have {CUSTOM_FILE_NAME}.py at its top, not in {custom.parent}"
        )
    return language


def _hook_trainer(fit: BoundHook, found: ModelHooks, target: Target) -> Trainer:
    transform = found.get(hooks.TRANSFORM)
    if transform is None or target.type is TargetType.TRANSFORM:
        return lambda arguments: fit(**arguments.keywords())

    def train(arguments: FitArguments) -> None:
        fit(**{**arguments.keywords(), "X": _transformed(transform, arguments.X)})

    return train


def _transformed(transform: BoundHook, features: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    result = transform(features, None, None)
    if not isinstance(result, pd.DataFrame):
        raise InvalidOutput(f"transform must return a dataframe, but received {type(result)}")
    return result


def _fit_task(cls: type[CustomTaskInterface], arguments: FitArguments) -> None:
    """Train a new task and let it save itself; an error of `fit` passes as it is."""
    task = cls()
    bind(TASK_FIT, task.fit)(**arguments.keywords())
    try:
        task.save(arguments.output_dir)
    except (DrumSerializationError, OSError):
        raise
    except Exception as error:
        raise DrumError(
            "An error occurred when saving your custom task. Ensure all variables stored on self "
            f"are pickle-able or excluded when saving: {error!r}"
        ) from error


def _r_trainer(code_dir: str, target: Target) -> Trainer:
    from datarobot_drum.drum.predictors import r_fit

    def train(arguments: FitArguments) -> None:
        transforms = target.type is not TargetType.TRANSFORM
        r_fit.fit(code_dir=code_dir, transforms=transforms, **arguments.keywords())

    return train
