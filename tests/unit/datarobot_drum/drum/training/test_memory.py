"""Peak memory as the kernel tells it."""

from __future__ import annotations

import subprocess
import sys

from datarobot_drum.drum.training.memory import peak_memory


def test_peak_grows_with_what_is_held():
    before = peak_memory()
    block = bytearray(int((before + 64) * 1024 * 1024))
    assert peak_memory() > before + 32
    del block
    assert peak_memory() > before + 32


def test_peak_of_an_ended_child_counts():
    before = peak_memory()
    size = int((before + 64) * 1024 * 1024)
    subprocess.run([sys.executable, "-c", f"bytearray({size})"], check=True)
    assert peak_memory() > before + 32


def test_peak_is_known_without_proc(tmp_path):
    assert peak_memory(tmp_path / "gone") > 10
