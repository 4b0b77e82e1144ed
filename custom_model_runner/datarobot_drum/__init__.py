"""What model code may use: its runtime parameters, and an error that chooses the HTTP status."""

from __future__ import annotations

from datarobot_drum.drum.exceptions import CustomHTTPError
from datarobot_drum.runtime_parameters import RuntimeParameters

__version__ = "0.1.0"

__all__ = ["CustomHTTPError", "RuntimeParameters", "__version__"]
