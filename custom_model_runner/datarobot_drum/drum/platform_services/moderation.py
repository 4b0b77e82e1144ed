"""Moderation of text models by a library of the operator, which wraps the hooks.

The library is `datarobot_dome`; it is used when the folder has its settings file.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from datarobot_drum.drum.enum import MODERATION_FILE_NAME
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.hooks import spec as hooks
from datarobot_drum.drum.hooks.loader import BoundHook, ModelHooks
from datarobot_drum.drum.model_folder import Target

logger = logging.getLogger("drum.moderation")

LIBRARY = "datarobot_dome.drum_integration"
FACTORY = "moderation_pipeline_factory"
#: what the library calls the text; clients know it by the name of the target
COMPLETION = "completion"


def moderated(found: ModelHooks, target: Target, code_dir: str, *, required: bool) -> ModelHooks:
    """The hooks as the moderation of the folder wraps them; unchanged where there is none.

    A library that is missing is a warning, or a StartupError where moderation is `required`.
    """
    if not target.type.is_text or not Path(code_dir, MODERATION_FILE_NAME).is_file():
        return found
    make = _factory(required)
    if make is None:
        return found
    try:
        pipeline = make(target.type.value, model_dir=code_dir)
    except Exception as error:
        raise StartupError(f"the moderation of the model cannot start: {error!r}") from error
    logger.info("answers are moderated by %s", LIBRARY)
    return ModelHooks(
        {name: _wrapped(bound, pipeline, target) for name, bound in found.bound.items()},
        found.path,
    )


def _factory(required: bool) -> Callable[..., Any] | None:
    try:
        library = importlib.import_module(LIBRARY)
        make: Callable[..., Any] = getattr(library, FACTORY)
    except (ImportError, AttributeError) as error:
        if required:
            raise StartupError(
                f"the folder has {MODERATION_FILE_NAME}, moderation is required, and {LIBRARY} "
                f"cannot be used: {error}"
            ) from error
        logger.warning(
            "the folder has %s, but %s cannot be used: %s; answers are NOT moderated "
            "(DRUM_MODERATION_REQUIRED=true refuses to start instead)",
            MODERATION_FILE_NAME,
            LIBRARY,
            error,
        )
        return None
    return make


def _wrapped(bound: BoundHook, pipeline: Any, target: Target) -> BoundHook:
    if bound.hook is hooks.SCORE:
        return replace(bound, function=_score(bound, pipeline, target.name), positional_count=2)
    if bound.hook is hooks.CHAT:
        # the third is the association id, which the hook itself does not take
        return replace(bound, function=_chat(bound, pipeline), positional_count=3)
    return bound


def _score(bound: BoundHook, pipeline: Any, column: str | None) -> Callable[..., Any]:
    def score(data: Any, model: Any, **extras: Any) -> Any:
        frame = pipeline.score(data, model, bound, **extras)
        names = getattr(frame, "columns", ())
        if column is not None and column not in names and COMPLETION in names:
            return frame.rename(columns={COMPLETION: column})
        return frame

    return score


def _chat(bound: BoundHook, pipeline: Any) -> Callable[..., Any]:
    def chat(params: Any, model: Any, association_id: Any, **extras: Any) -> Any:
        return pipeline.chat(params, model, bound, association_id, **extras)

    return chat
