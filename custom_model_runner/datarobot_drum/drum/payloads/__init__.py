"""Data in and out of a model: reading payloads, checking answers, writing replies.

The names below are imported when they are first used: a server must answer probes before pandas
is there.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datarobot_drum.drum.payloads.json_text import plain_json, status_json
    from datarobot_drum.drum.payloads.platform import (
        DeploymentConfig,
        load_deployment_config,
        platform_json,
    )
    from datarobot_drum.drum.payloads.readers import (
        UnsupportedFormat,
        column_names,
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
        predictions_csv,
        predictions_json,
        transform_multipart,
    )

#: the module of each public name
_HOMES = {
    "DeploymentConfig": "platform",
    "OutputRules": "schema",
    "Payload": "source",
    "Predictions": "schema",
    "UnsupportedFormat": "readers",
    "as_numbers": "schema",
    "check_predictions": "schema",
    "check_row_count": "schema",
    "column_names": "readers",
    "csv_chunks": "readers",
    "is_supported": "readers",
    "load_deployment_config": "platform",
    "media_type_for_file": "readers",
    "media_type_for_upload": "readers",
    "plain_json": "json_text",
    "platform_json": "platform",
    "predictions_csv": "writers",
    "predictions_json": "writers",
    "read_table": "readers",
    "split_extra": "schema",
    "status_json": "json_text",
    "transform_multipart": "writers",
}


def __getattr__(name: str) -> Any:
    """A public name, from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    # found without this function from now on
    globals()[name] = value
    return value


__all__ = [
    "DeploymentConfig",
    "OutputRules",
    "Payload",
    "Predictions",
    "UnsupportedFormat",
    "as_numbers",
    "check_predictions",
    "check_row_count",
    "column_names",
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
