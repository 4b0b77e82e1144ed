"""The docs pages in a real browser that can reach nothing but the server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

LINEAR = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
#: every other name and address is refused, so that an asset from elsewhere cannot be loaded
NOTHING_ELSE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.mark.tools
def test_pages_are_drawn_without_anything_from_elsewhere(running_server, tmp_path):
    env = {"DRUM_FASTAPI_ENABLE_DOCS": "true", "URL_PREFIX": "/models/a"}
    with running_server(
        LINEAR, "--target-type", "regression", env=env, server_type="fastapi", wait=False
    ) as server:
        server.wait_until_ready("/models/a/readyz")
        for page in ("docs", "redoc"):
            dom = drawn(f"{server.url}/models/a/{page}", tmp_path)
            assert "Structured predictions: a table in" in dom
            assert "Failed to load" not in dom


def drawn(address: str, folder: Path) -> str:
    """The page after its scripts have run; its picture is left in `folder`."""
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
            f"--user-data-dir={folder}/profile",
            f"--host-resolver-rules={NOTHING_ELSE}",
            f"--screenshot={folder}/{address.rpartition('/')[2]}.png",
            *("--window-size=1200,1400", "--virtual-time-budget=10000", "--dump-dom"),
            address,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
