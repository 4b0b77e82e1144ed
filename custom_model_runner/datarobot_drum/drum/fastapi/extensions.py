"""`custom_fastapi.py`: the model folder's changes to the FastAPI app."""

from __future__ import annotations

from typing import Any

from datarobot_drum.drum.enum import FASTAPI_EXT_FILE_NAME
from datarobot_drum.drum.model_folder import extension_names, find_extension, load_extension


def exists(code_dir: str) -> bool:
    """Has the folder a `custom_fastapi.py`, or several?"""
    return FASTAPI_EXT_FILE_NAME in extension_names(code_dir)


def load(app: Any, code_dir: str) -> None:
    """Call `init_app(app)` of the folder's `custom_fastapi.py`; StartupError when that fails.

    It runs before the app has received its first message: middleware cannot be added later.
    """
    path = find_extension(code_dir, FASTAPI_EXT_FILE_NAME)
    if path is not None:
        load_extension(path, app, "FastAPI")
