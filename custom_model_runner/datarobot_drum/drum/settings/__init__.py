"""Every setting with its type, range, default and source, and what a server is told to serve."""

from __future__ import annotations

from datarobot_drum.drum.settings.inference import InferenceSettings
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
]
