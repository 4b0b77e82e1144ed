"""The optional distributions behind the services, and what to say when one is missing."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from types import ModuleType

from datarobot_drum.drum.errors import StartupError


@dataclass(frozen=True)
class Extra:
    """A library that comes with an extra of this distribution."""

    name: str
    module: str
    purpose: str

    @property
    def is_installed(self) -> bool:
        """Can it be imported? Tells that without importing it."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def advice(self) -> str:
        """The line that a user without it is shown."""
        return f"{self.purpose} needs an extra; run: pip install 'opendrum[{self.name}]'"

    def load(self, module: str | None = None) -> ModuleType:
        """Import the library, or a module of it; StartupError tells what to install."""
        try:
            return importlib.import_module(module or self.module)
        except ImportError as error:
            raise StartupError(f"{self.advice} ({error})") from error


S3 = Extra("s3", "boto3", "fetching model files at the start")
MLOPS = Extra("mlops", "datarobot_mlops", "reporting to the platform")
DATAROBOT = Extra("datarobot", "datarobot", "access to the platform's API")
REDIS = Extra("redis", "redis", "DRUM_RATE_LIMIT_STORAGE")
DOCS = Extra("docs", "fastapi_offline", "DRUM_FASTAPI_ENABLE_DOCS")
