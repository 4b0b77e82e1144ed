"""Finds the predictor that fits an artifact or a model object."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.model_folder import artifacts
from datarobot_drum.drum.predictors.base import Predictor

logger = logging.getLogger("drum.model")

ENTRY_POINT_GROUP = "datarobot_drum.predictors"
#: the endings that the reference loads; a folder that it can run means the same here
REFERENCE_SUFFIXES = frozenset({".h5", ".onnx", ".pkl", ".pth"})
WEIGHTS_SUFFIX = ".safetensors"


@cache
def predictor_classes() -> tuple[type[Predictor], ...]:
    """All installed predictors, built-in ones included, in the order in which they are asked."""
    points = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
    return tuple(sorted((point.load() for point in points), key=lambda cls: cls.priority))


def artifact_suffixes() -> list[str]:
    """The file endings that some installed predictor can load."""
    return sorted(
        {suffix for cls in predictor_classes() for suffix in (*cls.suffixes, *cls.shared_suffixes)}
    )


def find_artifact(code_dir: str) -> Path:
    """The one artifact at the top of the folder; StartupError when there is none, or several.

    Endings that the reference knows count first: what lies beside such a file is not looked at.
    Other endings of models come next, and last those that data files have as well.
    """
    found = _candidates(code_dir)
    if len(found) == 1:
        return found[0]
    if found:
        raise StartupError(
            "Multiple serialized model files found. Remove extra artifacts or overwrite "
            f"custom.load_model()\nList of retrieved files are: {_names(found)}"
        )
    files = sorted(path for path in Path(code_dir).iterdir() if path.is_file())
    raise StartupError(
        f"Could not find model artifact file in: {code_dir} supported by default predictors.\n"
        f"They support filenames with the following extensions {artifact_suffixes()}.\n"
        "If your artifact is not supported by default predictor, implement "
        f"custom.load_model hook.\n{_about_weights(files)}"
        f"List of retrieved files are: {_names(files)}"
    )


def _candidates(code_dir: str) -> list[Path]:
    """The artifacts of the first rank that has any."""
    own = {suffix for cls in predictor_classes() for suffix in cls.suffixes}
    first = artifacts(code_dir, own.intersection(REFERENCE_SUFFIXES))
    second = artifacts(code_dir, own.difference(REFERENCE_SUFFIXES))
    if first and second:
        logger.warning("%s is used; not used: %s", _names(first), _names(second))
    if first or second:
        return first or second
    shared = {suffix for cls in predictor_classes() for suffix in cls.shared_suffixes}
    return [
        path
        for path in artifacts(code_dir, shared)
        if any(cls.can_load(path) for cls in predictor_classes())
    ]


def _about_weights(files: list[Path]) -> str:
    weights = [path.name for path in files if path.suffix.lower() == WEIGHTS_SUFFIX]
    if not weights:
        return ""
    return f"{weights} hold weights without a model: build it and read them in load_model.\n"


def _names(paths: list[Path]) -> str:
    return " | ".join(str(path) for path in paths)


def load_artifact(path: Path) -> Any:
    """The model in `path`, by the first predictor that knows the ending and can load it."""
    failures: dict[type[Predictor], Exception] = {}
    for cls in [cls for cls in predictor_classes() if cls.can_load(path)]:
        try:
            return cls.load(path)
        except Exception as error:
            failures[cls] = error
    missing = {cls: error for cls, error in failures.items() if isinstance(error, ImportError)}
    if missing == failures:
        raise StartupError(
            "The following frameworks support this model artifact but could not load the model. "
            f"Check if requirements are missing {_requirements(missing)}"
        ) from next(iter(missing.values()))
    broken = next(error for cls, error in failures.items() if cls not in missing)
    raise StartupError(
        f"Could not load model from the artifact file. Exception: {broken!r}"
    ) from broken


def _requirements(missing: Mapping[type[Predictor], ImportError]) -> str:
    """What to install: for a pickle that is the framework which its reader did not find."""
    lines = []
    for reader, error in missing.items():
        cls = _owner(error) or reader
        line = f"Framework: {cls.name}, requirements: {list(cls.requirements)}: {error}"
        lines.append(f"{line}; pip install 'opendrum[{cls.extra}]'" if cls.extra else line)
    return "".join(lines)


def _owner(error: ImportError) -> type[Predictor] | None:
    """The framework that the missing module is of."""
    module = (error.name or "").partition(".")[0]
    return next((cls for cls in predictor_classes() if module in cls.modules), None)


def predictor_for(model: Any) -> type[Predictor] | None:
    """The first predictor that accepts the model object."""
    return next((cls for cls in predictor_classes() if cls.accepts(model)), None)
