"""For all unit tests of `drum`: a process that is left as it was, copies of models, requests."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datarobot_drum.drum import lifecycle
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.observability.record import current_record
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter

MODELS = Path(__file__).resolve().parents[3] / "fixtures" / "models"
USER_MODULES = ("custom", "custom_flask", "custom_fastapi")

ModelFolder = Callable[[str], Path]
CsvRequest = Callable[[bytes], RequestAdapter]


@pytest.fixture(autouse=True)
def untouched_process() -> Iterator[None]:
    """Take back what loading a model and starting a worker do to the interpreter."""
    path, interval = list(sys.path), sys.getswitchinterval()
    root, hook, current = logging.getLogger(), threading.excepthook, list(lifecycle._current)
    handlers, level = list(root.handlers), root.level
    of_request, of_record = request_id.set(""), current_record.set(None)
    yield
    request_id.reset(of_request)
    current_record.reset(of_record)
    sys.path[:] = path
    for name in USER_MODULES:
        sys.modules.pop(name, None)
    sys.setswitchinterval(interval)
    threading.excepthook = hook
    lifecycle._current[:] = current
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def model_folder(tmp_path: Path) -> ModelFolder:
    """`model_folder(name)` is a copy of that model of the fixtures, to be changed at will."""

    def copy(name: str) -> Path:
        ignored = shutil.ignore_patterns("__pycache__")
        return Path(shutil.copytree(MODELS / name, tmp_path / name, ignore=ignored))

    return copy


@pytest.fixture
def csv_request() -> CsvRequest:
    """`csv_request(body)` is a POST of a table, as a front hands it to the core."""

    def request(body: bytes) -> RequestAdapter:
        return RequestAdapter("POST", "/predict/", "", (), "text/csv", SpooledUploadFile.of(body))

    return request
