# PYTHON_ARGCOMPLETE_OK
"""The `drum` console script."""

from __future__ import annotations

import sys
from typing import NoReturn

from datarobot_drum.drum.main import main
from datarobot_drum.drum.server_choice import _get_server_type

__all__ = ["_get_server_type", "run_drum_server"]


def run_drum_server() -> NoReturn:
    """Run the command line of this process and end it with the command's exit code."""
    sys.exit(main())


if __name__ == "__main__":
    run_drum_server()
