"""Loads a model folder of Python: `custom.py`, the artifact, or both."""

from __future__ import annotations

from typing import Any

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import LoadHookError, StartupError
from datarobot_drum.drum.exceptions import BaseCustomUserError
from datarobot_drum.drum.hooks import spec as hooks
from datarobot_drum.drum.hooks.loader import ModelHooks, load_hooks
from datarobot_drum.drum.model_folder import Target, find_custom_file
from datarobot_drum.drum.predictors import class_task, registry
from datarobot_drum.drum.predictors.base import Predictor
from datarobot_drum.drum.predictors.hooked import NO_TRANSFORM, PythonModel, score_keywords
from datarobot_drum.drum.predictors.request import LoadRequest
from datarobot_drum.drum.predictors.unstructured import NO_HOOK

LOAD_FAILED = "An error occurred when loading your artifact: "


def load(request: LoadRequest) -> PythonModel:
    """Run `init` and `load_model`, or load the artifact.

    Raises StartupError (or another DrumError) that says what is wrong with the folder; an
    exception of `init` or of the import of `custom.py` goes through unchanged.
    """
    code_dir, target, settings = request.code_dir, request.target, request.settings
    found = load_hooks(find_custom_file(code_dir), code_dir, target.type)
    if found.task is not None:
        return class_task.load(request, found.task)
    if (init := found.get(hooks.INIT)) is not None:
        init(code_dir=code_dir)
    model = _load_object(found, code_dir)
    predictor = _predictor(model, found, target)
    if target.type.is_text:
        from datarobot_drum.drum.platform_services.moderation import moderated

        found = moderated(found, target, code_dir, required=settings.moderation_required)
    return PythonModel(
        target=target,
        language=request.language,
        hooks=found,
        model=model,
        predictor=predictor,
        # the reference itself keeps the documented order where a post_process hook follows
        rules=request.rules(legacy_order=hooks.POST_PROCESS not in found),
        code_dir=code_dir,
        metadata=request.metadata,
        llm_id=settings.llm_id,
        score_keywords=score_keywords(target),
    )


def _load_object(found: ModelHooks, code_dir: str) -> Any:
    hook = found.get(hooks.LOAD_MODEL)
    try:
        if hook is None:
            return registry.load_artifact(registry.find_artifact(code_dir))
        model = hook(code_dir)
    except BaseCustomUserError:
        raise
    except StartupError as error:
        raise StartupError(f"{LOAD_FAILED}{error}") from error
    except Exception as error:
        raise LoadHookError(
            f"{LOAD_FAILED}'load_model' hook failed to load the model. Exception: {error!r}"
        ) from error
    if model is None:
        raise StartupError(
            f"{LOAD_FAILED}'load_model' hook failed to load model, None is returned."
        )
    return model


def _predictor(model: Any, found: ModelHooks, target: Target) -> Predictor | None:
    """The framework that must do what no hook does; StartupError if that is needed and missing."""
    if target.type is TargetType.UNSTRUCTURED:
        if hooks.SCORE_UNSTRUCTURED not in found:
            raise StartupError(NO_HOOK)
        return None
    is_transform = target.type is TargetType.TRANSFORM
    if (hooks.TRANSFORM if is_transform else hooks.SCORE) in found:
        return None
    cls = registry.predictor_for(model)
    if cls is not None:
        return cls(model, target)
    if is_transform:
        raise StartupError(NO_TRANSFORM)
    if hooks.CHAT in found or hooks.SCORE_UNSTRUCTURED in found:
        return None
    raise StartupError(
        "Could not find any framework to handle loaded model and a score hook is not provided"
    )
