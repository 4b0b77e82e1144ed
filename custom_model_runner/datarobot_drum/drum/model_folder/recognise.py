"""Tells models from data files by their first bytes, where the name may be that of either."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

_READ_BYTES = 4096
#: XGBoost writes its keys in this order: doc/model.schema in its repository
_XGBOOST_START = re.compile(rb'\s*\{\s*"learner"\s*:\s*\{')
#: `GBDT::SaveModelToString` of LightGBM starts with the kind of model and the format's version
_LIGHTGBM_START = re.compile(rb"\w+\r?\nversion=v\d")


def is_xgboost_json(path: Path) -> bool:
    """Does it begin as a model that XGBoost wrote as JSON?"""
    return _XGBOOST_START.match(_start(path)) is not None


def is_lightgbm_text(path: Path) -> bool:
    """Does it begin as a model that LightGBM wrote as text?"""
    return _LIGHTGBM_START.match(_start(path)) is not None


#: endings that models share with data files, and what recognises the models
RECOGNISERS: Mapping[str, Callable[[Path], bool]] = MappingProxyType(
    {".json": is_xgboost_json, ".model": is_lightgbm_text, ".txt": is_lightgbm_text}
)


def is_recognised(path: Path) -> bool:
    """Is it a model, although data files end like it?"""
    recognise = RECOGNISERS.get(path.suffix.lower())
    return recognise is not None and recognise(path)


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_READ_BYTES)
    except OSError:
        return b""
