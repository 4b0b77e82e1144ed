"""Run the make_artifact.py of every example folder, each in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Make every artifact; the exit code is the number of scripts that failed."""
    failed = 0
    for script in sorted(HERE.glob("*/make_artifact.py")):
        code = subprocess.run([sys.executable, str(script)], check=False).returncode
        failed += code != 0
        print(f"{script.parent.name}: {'made' if code == 0 else 'FAILED'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
