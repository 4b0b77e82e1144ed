"""Every setting with its type, range, default and source, and what a server is told to serve."""

from __future__ import annotations

import os
from collections.abc import Mapping

from datarobot_drum.drum.settings.inference import InferenceSettings
from datarobot_drum.drum.settings.loading import load_setting
from datarobot_drum.drum.settings.observability import ObservabilitySettings
from datarobot_drum.drum.settings.rows import SettingRow, inference_setting_rows, setting_rows
from datarobot_drum.drum.settings.serve_spec import ModelSpec, ServeSpec
from datarobot_drum.drum.settings.table import Settings

__all__ = [
    "InferenceSettings",
    "ModelSpec",
    "ServeSpec",
    "SettingRow",
    "Settings",
    "inference_setting_rows",
    "setting_rows",
    "wants_json_logs",
]


def wants_json_logs(environ: Mapping[str, str] = os.environ) -> bool:
    """Is JSON the form of log lines? Asked before all other settings, whose faults are logged."""
    return bool(load_setting(ObservabilitySettings, "json_logging", environ))
