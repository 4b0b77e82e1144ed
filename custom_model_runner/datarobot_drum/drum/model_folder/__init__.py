"""What is in a model folder: language, metadata, parameters, target and extensions."""

from __future__ import annotations

from datarobot_drum.drum.model_folder.detect import artifacts, detect_language, find_custom_file
from datarobot_drum.drum.model_folder.extensions import (
    extension_names,
    find_extension,
    load_extension,
)
from datarobot_drum.drum.model_folder.hyperparameters import Hyperparameter
from datarobot_drum.drum.model_folder.metadata import ModelMetadata, read_metadata
from datarobot_drum.drum.model_folder.parameters import (
    apply_default_parameters,
    load_runtime_parameter_file,
)
from datarobot_drum.drum.model_folder.recognise import is_lightgbm_text, is_xgboost_json
from datarobot_drum.drum.model_folder.schema_check import check_output
from datarobot_drum.drum.model_folder.target import Target, read_class_labels, resolve_target
from datarobot_drum.drum.model_folder.type_schema import Requirement, TypeSchema

__all__ = [
    "Hyperparameter",
    "ModelMetadata",
    "Requirement",
    "Target",
    "TypeSchema",
    "apply_default_parameters",
    "artifacts",
    "check_output",
    "detect_language",
    "extension_names",
    "find_custom_file",
    "find_extension",
    "is_lightgbm_text",
    "is_xgboost_json",
    "load_extension",
    "load_runtime_parameter_file",
    "read_class_labels",
    "read_metadata",
    "resolve_target",
]
