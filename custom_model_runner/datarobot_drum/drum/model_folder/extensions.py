"""The folder's own extension of the HTTP server: `custom_flask.py` or `custom_fastapi.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from datarobot_drum.drum.enum import FASTAPI_EXT_FILE_NAME, FLASK_EXT_FILE_NAME
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.model_folder.detect import files_below, find_only


def find_extension(code_dir: str | Path, stem: str) -> Path | None:
    """The only `<stem>.py` below the folder, or None; more than one is an error."""
    return find_only(code_dir, f"{stem}.py")


def extension_names(code_dir: str | Path) -> set[str]:
    """Which server extensions are below the folder: `custom_flask`, `custom_fastapi`."""
    names = {path.name for path in files_below(code_dir)}
    return {stem for stem in (FLASK_EXT_FILE_NAME, FASTAPI_EXT_FILE_NAME) if f"{stem}.py" in names}


def load_extension(path: Path, app: Any, kind: Literal["Flask", "FastAPI"]) -> None:
    """Import an extension and call its `init_app(app)`.

    Its folder goes to the front of `sys.path`, so that it can import the files beside it.
    Any fault is a StartupError: a server without its extension may be one without a lock.
    """
    try:
        module = _import_file(path)
        if not hasattr(module, "init_app"):
            raise StartupError(f"module '{path.stem}' has no attribute 'init_app'")
        module.init_app(app)
    except StartupError:
        raise
    except ImportError as error:
        raise StartupError(f"Failed to extend {kind} app from [{path}] : {error}") from error
    except (Exception, SystemExit) as error:
        raise StartupError(f"Failed to extend {kind} app from [{path}] : {error!r}") from error


def _import_file(path: Path) -> ModuleType:
    folder = str(path.parent)
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
