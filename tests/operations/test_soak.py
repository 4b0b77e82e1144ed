"""The soak finds a leak, and what it writes can be read again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.tools


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "soak"), "--no-document", *arguments]
    environment = {**os.environ, "VENV": sys.prefix}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)


# six of ten requests of the traffic are predictions
LEAK = ("--leak", "17500", "--minutes", "1", "--least-requests", "4000")


def test_leak_of_a_megabyte_in_100_requests_is_found():
    done = soak("--servers", "flask", *LEAK)
    assert done.returncode == 1, done.stderr
    assert "flask: rss of all processes grows by" in done.stderr
    path = ROOT / done.stderr.split("samples are in ")[1].split()[0]
    assert json.loads(path.read_text().splitlines()[-1])["ending"]["exit_code"] == 130
    again = soak("--report", str(path))
    assert (again.returncode, again.stdout) == (1, done.stdout)
