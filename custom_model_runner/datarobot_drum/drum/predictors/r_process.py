"""Starts R for a model folder, and what an error of it means."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from datarobot_drum.drum.enum import CUSTOM_FILE_NAME
from datarobot_drum.drum.errors import DrumError, HookError, InvalidOutput, StartupError
from datarobot_drum.drum.predictors.child import ChildError, ChildProcess
from datarobot_drum.drum.predictors.frames import Frame

#: People who know the reference look for the bridge first.
HINT = "(R models run in Rscript; the rpy2 package is not needed)"

MISSING = (
    "Rscript is not on the PATH: install R 4 or newer, on Debian with "
    "'apt-get install r-base-core r-recommended'"
)

#: What is told of an error in each hook, before the error itself.
FAILURES: Mapping[str, str] = {
    "read_input_data": "Model 'read_input_data' hook failed to read input data.",
    "transform": "Model 'transform hook' failed to transform dataset.",
    "score": "Model 'score' hook failed to make predictions.",
    "post_process": "Model 'post_process' hook failed to post-process predictions.",
    "predict": "Failure when making predictions.",
    "load_model": "'load_model' hook failed to load the model.",
    "readRDS": "Could not load model from the artifact file.",
    "init": "Model 'init' hook failed.",
    "fit": "Model 'fit' hook failed.",
}


def r_process(header: Mapping[str, object]) -> ChildProcess:
    """The R process whose first request is `header`; StartupError when R is not installed."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        raise StartupError(f"{MISSING} {HINT}")
    script = str(files("datarobot_drum.drum.predictors") / "r_worker.R")
    return ChildProcess([rscript, script], Frame(header), name="R", env=_environment())


def find_r_file(code_dir: str) -> str | None:
    """`custom.R`, else `custom.r`, at the top of the folder."""
    for suffix in ("R", "r"):
        path = Path(code_dir, f"{CUSTOM_FILE_NAME}.{suffix}")
        if path.is_file():
            return str(path)
    return None


def reported(error: ChildError) -> DrumError:
    """The error of R as this program tells it."""
    if error.kind == "output":
        return InvalidOutput(str(error))
    if error.kind == "source":
        return StartupError(
            f"\n\nRunning environment language: R.\nFailed loading hooks from custom.R : {error}"
        )
    if error.kind in ("load", "score_unstructured"):
        return HookError(str(error))
    return HookError(f"{FAILURES.get(error.kind, 'R failed.')} Exception: {error}")


def _environment() -> dict[str, str]:
    """This program's environment, with a locale in which R can hold any text."""
    environ = dict(os.environ)
    chosen = next((environ[name] for name in _LOCALES if environ.get(name)), "")
    if "UTF-8" not in chosen.upper() and "UTF8" not in chosen.upper():
        environ["LC_ALL"] = "C.UTF-8"
    return environ


#: The first that is set decides.
_LOCALES = ("LC_ALL", "LC_CTYPE", "LANG")
