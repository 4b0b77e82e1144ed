"""What importing costs: model code gets the standard library, a command no framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "boto3",
    "datarobot",
    "datarobot_dome",
    "datarobot_mlops",
    "fastapi",
    "flask",
    "gunicorn",
    "numpy",
    "opentelemetry",
    "pandas",
    "scipy",
    "sklearn",
    "starlette",
    "uvicorn",
}

PLATFORM_SERVICES = ("api_access", "lazy_loading", "mlops", "moderation", "push", "reporting", "s3")

PROBE = """
import sys
before = set(sys.modules)
import {module}
print(*{{name.partition(".")[0] for name in set(sys.modules) - before}})
"""


def imported_with(module: str) -> set[str]:
    """Top-level names of the modules that importing `module` adds to a fresh interpreter."""
    command = [sys.executable, "-c", PROBE.format(module=module)]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return set(names) - {"datarobot_drum", "coverage"}


@pytest.mark.parametrize(
    "module",
    [
        "datarobot_drum",
        "datarobot_drum.custom_task_interfaces",
        "datarobot_drum.drum.common",
        "datarobot_drum.drum.enum",
        "datarobot_drum.drum.exceptions",
    ],
)
def test_module_for_model_code_needs_only_the_standard_library(module):
    assert imported_with(module) <= sys.stdlib_module_names


@pytest.mark.parametrize(
    "module",
    [
        *("entry_point", "main", "cli", "server", "settings", "lifecycle", "worker"),
        *(f"platform_services.{name}" for name in PLATFORM_SERVICES),
    ],
)
def test_command_starts_without_loading_frameworks(module):
    assert imported_with(f"datarobot_drum.drum.{module}") & HEAVY == set()


def test_public_names_are_those_that_model_code_uses():
    import datarobot_drum

    assert datarobot_drum.__all__ == ["CustomHTTPError", "RuntimeParameters", "__version__"]
