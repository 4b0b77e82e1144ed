"""From a parsed command line to what the model layer wants to know."""

from __future__ import annotations

import logging
import os
from argparse import Namespace
from collections.abc import Mapping, MutableMapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from datarobot_drum.drum.enum import EMBEDDED, MONITOR
from datarobot_drum.drum.errors import DrumError

if TYPE_CHECKING:
    from datarobot_drum.drum.settings import ModelSpec

logger = logging.getLogger("drum.cli")

#: Options with secrets, or places where secrets may stand, and the variables that carry them.
SECRET_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "api_token": "API_TOKEN",
        "monitor_settings": "MONITOR_SETTINGS",
        "webserver": "EXTERNAL_WEB_SERVER_URL",
    }
)


def model_spec(args: Namespace) -> ModelSpec:
    """Which model the command line means."""
    from datarobot_drum.drum.settings import ModelSpec

    labels = args.class_labels or args.class_labels_file
    return ModelSpec(
        code_dir=args.code_dir,
        target_type=args.target_type,
        positive_class_label=args.positive_class_label,
        negative_class_label=args.negative_class_label,
        class_labels=None if labels is None else tuple(labels),
        language=getattr(args, "language", None),
        gpu_predictor=getattr(args, "gpu_predictor", None),
        sidecar=getattr(args, "sidecar", False),
        triton_host=getattr(args, "triton_host", ModelSpec.triton_host),
        triton_http_port=int(getattr(args, "triton_http_port", ModelSpec.triton_http_port)),
        deployment_config=getattr(args, "deployment_config", None),
        user_secrets_mount_path=getattr(args, "user_secrets_mount_path", None),
        user_secrets_prefix=getattr(args, "user_secrets_prefix", None),
        reports=_reports(args),
        deployment_id=getattr(args, "deployment_id", None),
        model_id=getattr(args, "model_id", None),
        allow_api_access=getattr(args, "allow_dr_api_access", False),
    )


def check_target(args: Namespace) -> None:
    """Refuse a target that is missing or contradicts itself, with DrumError, before any work.

    Runtime parameters must have been loaded: one of them may name the target.
    """
    from datarobot_drum.drum.model_folder import read_metadata, resolve_target
    from datarobot_drum.drum.settings import Settings

    target_name = Settings.load(warn=False).target_name
    resolve_target(model_spec(args), read_metadata(args.code_dir), target_name)


def _reports(args: Namespace) -> str | None:
    if getattr(args, "monitor", False):
        return MONITOR
    return EMBEDDED if getattr(args, "monitor_embedded", False) else None


def share_secrets(args: Namespace, environ: MutableMapping[str, str]) -> None:
    """Put what no command line of a child may show where worker processes find it."""
    for dest, variable in SECRET_OPTIONS.items():
        if value := getattr(args, dest, None):
            environ[variable] = value


def load_parameters(args: Namespace) -> None:
    """Put into the environment what the command line says and workers read there.

    That is secrets, files to fetch, and runtime parameters: the values file, else the defaults.

    A bad values file always ends the command. A bad metadata file does not end a server that
    has an error server, because that is the place to tell it.
    """
    from datarobot_drum.drum.model_folder import (
        apply_default_parameters,
        load_runtime_parameter_file,
    )

    share_secrets(args, os.environ)
    if path := getattr(args, "lazy_loading_file", None):
        from datarobot_drum.drum.platform_services.lazy_loading import load_file

        load_file(path, os.environ)
    if args.runtime_params_file is not None:
        load_runtime_parameter_file(args.runtime_params_file, args.code_dir, os.environ)
        return
    try:
        apply_default_parameters(args.code_dir, os.environ)
    except DrumError as error:
        if not getattr(args, "with_error_server", False):
            raise
        logger.warning("the defaults of runtime parameters are not set: %s", error)
