"""From a parsed command line to what the model layer wants to know."""

from __future__ import annotations

import logging
import os
from argparse import Namespace
from typing import TYPE_CHECKING

from datarobot_drum.drum.errors import DrumError

if TYPE_CHECKING:
    from datarobot_drum.drum.settings import ModelSpec

logger = logging.getLogger("drum.cli")


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
        language=args.language,
        gpu_predictor=args.gpu_predictor,
        sidecar=args.sidecar,
        triton_host=args.triton_host,
        triton_http_port=int(args.triton_http_port),
        deployment_config=getattr(args, "deployment_config", None),
    )


def load_parameters(args: Namespace) -> None:
    """Put runtime parameters into the environment: the values file, else the defaults.

    A bad values file always ends the command. A bad metadata file does not end a server that
    has an error server, because that is the place to tell it.
    """
    from datarobot_drum.drum.model_folder import (
        apply_default_parameters,
        load_runtime_parameter_file,
    )

    if args.runtime_params_file is not None:
        load_runtime_parameter_file(args.runtime_params_file, args.code_dir, os.environ)
        return
    try:
        apply_default_parameters(args.code_dir, os.environ)
    except DrumError as error:
        if not getattr(args, "with_error_server", False):
            raise
        logger.warning("the defaults of runtime parameters are not set: %s", error)
