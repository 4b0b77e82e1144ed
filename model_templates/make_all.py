"""Run the make_artifact.py of every example folder, each in its own process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MISSING = re.compile(
    r"^(?:ModuleNotFoundError: No module named|make_artifact: needs) '([^']+)'", re.MULTILINE
)


def main() -> int:
    """Make every artifact; the exit code is the number of scripts that failed.

    A script whose framework is not installed is left out, and does not count.
    """
    failed = 0
    for script in sorted(HERE.glob("*/make_artifact.py")):
        done = subprocess.run(
            [sys.executable, str(script)], check=False, stderr=subprocess.PIPE, text=True
        )
        missing = MISSING.search(done.stderr) if done.returncode else None
        failed += done.returncode != 0 and missing is None
        if done.returncode and missing is None:
            sys.stderr.write(done.stderr)
        print(f"{script.parent.name}: {outcome(done.returncode, missing)}", flush=True)
    return failed


def outcome(code: int, missing: re.Match[str] | None) -> str:
    """What became of one artifact, in a few words."""
    if missing is not None:
        return f"left out, {missing[1]!r} is not installed"
    return "made" if code == 0 else "FAILED"


if __name__ == "__main__":
    sys.exit(main())
