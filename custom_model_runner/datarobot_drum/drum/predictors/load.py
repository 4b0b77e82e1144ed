"""Turns a model folder into a loaded model, by the loader of its language."""

from __future__ import annotations

import importlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.model_folder import detect_language, read_metadata, resolve_target
from datarobot_drum.drum.platform_services.preparation import prepare
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.predictors.request import LoadRequest
from datarobot_drum.drum.settings import ModelSpec, Settings
from datarobot_drum.drum.user_secrets import provide_user_secrets

logger = logging.getLogger("drum.model")

#: The modules whose `load` makes a model of each language; imported when first needed.
LOADERS: Mapping[str, str] = MappingProxyType(
    {
        "python": "datarobot_drum.drum.predictors.python_folder",
        "other": "datarobot_drum.drum.predictors.inference.loader",
        "r": "datarobot_drum.drum.predictors.r_folder",
        "java": "datarobot_drum.drum.predictors.java_folder",
    }
)
UNSUPPORTED = "models in language {!r} cannot be run by this version; use a Python model"


def load_model(spec: ModelSpec, settings: Settings) -> Model:
    """Read the folder and load what is in it.

    Raises StartupError (or another DrumError) that says what is wrong with the folder; an
    exception that the import or the `init` of model code raised goes through unchanged.
    """
    started = time.monotonic()
    prepare(spec, settings, os.environ)
    metadata = read_metadata(spec.code_dir)
    target = resolve_target(spec, metadata, settings.target_name)
    language = "other" if spec.gpu_predictor else detect_language(spec.code_dir, spec.language)
    load = _loader(language)
    provide_user_secrets(spec.user_secrets_mount_path, spec.user_secrets_prefix)
    model = load(LoadRequest(spec, settings, metadata, target, language))
    logger.info("loaded the model in %.1f s", time.monotonic() - started)
    return model


def _loader(language: str) -> Callable[[LoadRequest], Model]:
    if language not in LOADERS:
        raise StartupError(UNSUPPORTED.format(language))
    load: Callable[[LoadRequest], Model] = importlib.import_module(LOADERS[language]).load
    return load
