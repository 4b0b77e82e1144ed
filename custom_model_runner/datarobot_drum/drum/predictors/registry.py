"""Finds the predictor that fits an artifact or a model object."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.model_folder import artifacts
from datarobot_drum.drum.predictors.base import Predictor

ENTRY_POINT_GROUP = "datarobot_drum.predictors"


@cache
def predictor_classes() -> tuple[type[Predictor], ...]:
    """All installed predictors, built-in ones included, by name."""
    points = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
    return tuple(point.load() for point in points)


def artifact_suffixes() -> list[str]:
    """The file endings that some installed predictor can load."""
    return sorted({suffix for cls in predictor_classes() for suffix in cls.suffixes})


def find_artifact(code_dir: str) -> Path:
    """The one artifact at the top of the folder; StartupError when there is none, or several."""
    suffixes = artifact_suffixes()
    found = artifacts(code_dir, suffixes)
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
        f"They support filenames with the following extensions {suffixes}.\n"
        "If your artifact is not supported by default predictor, implement "
        "custom.load_model hook.\n"
        f"List of retrieved files are: {_names(files)}"
    )


def _names(paths: list[Path]) -> str:
    return " | ".join(str(path) for path in paths)


def load_artifact(path: Path) -> Any:
    """The model in `path`, by the first predictor that knows the ending and can load it."""
    failures: list[Exception] = []
    missing: list[type[Predictor]] = []
    name = path.name.lower()
    for cls in [cls for cls in predictor_classes() if name.endswith(cls.suffixes)]:
        try:
            return cls.load(path)
        except ImportError as error:
            missing.append(cls)
            failures.append(error)
        except Exception as error:
            failures.append(error)
    if len(missing) == len(failures):
        lines = "".join(
            f"Framework: {cls.name}, requirements: {list(cls.requirements)}" for cls in missing
        )
        raise StartupError(
            "The following frameworks support this model artifact but could not load the model. "
            f"Check if requirements are missing {lines}"
        ) from failures[0]
    raise StartupError(
        f"Could not load model from the artifact file. Exception: {failures[0]!r}"
    ) from failures[0]


def predictor_for(model: Any) -> type[Predictor] | None:
    """The first predictor that accepts the model object."""
    return next((cls for cls in predictor_classes() if cls.accepts(model)), None)
