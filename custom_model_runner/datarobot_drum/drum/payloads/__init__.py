"""Data in and out of a model: reading payloads, checking answers, writing replies."""

from __future__ import annotations

from datarobot_drum.drum.payloads.platform import (
    DeploymentConfig,
    load_deployment_config,
    platform_json,
)
from datarobot_drum.drum.payloads.readers import (
    UnsupportedFormat,
    csv_chunks,
    is_supported,
    media_type_for_file,
    media_type_for_upload,
    read_table,
)
from datarobot_drum.drum.payloads.schema import (
    OutputRules,
    Predictions,
    as_numbers,
    check_predictions,
    check_row_count,
    split_extra,
)
from datarobot_drum.drum.payloads.source import Payload
from datarobot_drum.drum.payloads.writers import (
    plain_json,
    predictions_csv,
    predictions_json,
    status_json,
    transform_multipart,
)

__all__ = [
    "DeploymentConfig",
    "OutputRules",
    "Payload",
    "Predictions",
    "UnsupportedFormat",
    "as_numbers",
    "check_predictions",
    "check_row_count",
    "csv_chunks",
    "is_supported",
    "load_deployment_config",
    "media_type_for_file",
    "media_type_for_upload",
    "plain_json",
    "platform_json",
    "predictions_csv",
    "predictions_json",
    "read_table",
    "split_extra",
    "status_json",
    "transform_multipart",
]
