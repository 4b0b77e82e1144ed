"""Turns a model folder into a loaded model."""

from __future__ import annotations

import logging
import time
from typing import Any

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.exceptions import BaseCustomUserError
from datarobot_drum.drum.hooks import spec as hooks
from datarobot_drum.drum.hooks.loader import ModelHooks, load_hooks
from datarobot_drum.drum.model_folder import (
    Target,
    detect_language,
    find_custom_file,
    read_metadata,
    resolve_target,
)
from datarobot_drum.drum.payloads import OutputRules
from datarobot_drum.drum.predictors import registry
from datarobot_drum.drum.predictors.base import Predictor
from datarobot_drum.drum.predictors.hooked import NO_TRANSFORM, Model
from datarobot_drum.drum.predictors.unstructured import NO_HOOK
from datarobot_drum.drum.settings import ModelSpec, Settings

logger = logging.getLogger("drum.model")

UNSUPPORTED = "models in language {!r} cannot be run by this version; use a Python model"
UNSUPPORTED_LANGUAGE = {"r": f"rpy2 package is not installed: {UNSUPPORTED}"}
LOAD_FAILED = "An error occurred when loading your artifact: "


def load_model(spec: ModelSpec, settings: Settings) -> Model:
    """Read the folder, run `init` and `load_model`, or load the artifact.

    Raises StartupError (or another DrumError) that says what is wrong with the folder; an
    exception of `init` or of the import of `custom.py` goes through unchanged.
    """
    started = time.monotonic()
    metadata = read_metadata(spec.code_dir)
    target = resolve_target(spec, metadata, settings.target_name)
    language = detect_language(spec.code_dir, spec.language)
    if language != "python":
        raise StartupError(UNSUPPORTED_LANGUAGE.get(language, UNSUPPORTED).format(language))
    found = load_hooks(find_custom_file(spec.code_dir), spec.code_dir, target.type)
    if (init := found.get(hooks.INIT)) is not None:
        init(code_dir=spec.code_dir)
    model = _load_object(found, spec.code_dir)
    predictor = _predictor(model, found, target)
    logger.info("loaded the model in %.1f s", time.monotonic() - started)
    return Model(
        target=target,
        language=language,
        hooks=found,
        model=model,
        predictor=predictor,
        rules=_rules(target, settings, hooks.POST_PROCESS in found),
        code_dir=spec.code_dir,
        metadata=metadata,
        llm_id=settings.llm_id,
        score_keywords=_score_keywords(target),
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
        raise StartupError(
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


def _rules(target: Target, settings: Settings, is_post_processed: bool) -> OutputRules:
    return OutputRules(
        target_type=target.type,
        labels=target.labels,
        positive_label=target.positive_label,
        negative_label=target.negative_label,
        target_name=target.name,
        # the reference itself keeps the documented order where a post_process hook follows
        legacy_label_order=settings.legacy_label_order and not is_post_processed,
        check_row_count=settings.check_row_count,
    )


def _score_keywords(target: Target) -> dict[str, object]:
    keywords: dict[str, object] = {"target_type": target.type}
    if target.type is TargetType.BINARY:
        keywords["positive_class_label"] = target.positive_label
        keywords["negative_class_label"] = target.negative_label
    elif target.labels:
        keywords["class_labels"] = list(target.labels)
    return keywords
