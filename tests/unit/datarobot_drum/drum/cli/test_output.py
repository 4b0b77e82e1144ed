"""A result file appears whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from datarobot_drum.drum.cli.output import check_output, output_file, stdout_for_result
from datarobot_drum.drum.errors import DrumError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_output_appears_when_the_block_ends(tmp_path):
    with output_file(str(tmp_path / "o.csv")) as file:
        file.write(b"a\n")
        assert not (tmp_path / "o.csv").exists()
    assert (tmp_path / "o.csv").read_bytes() == b"a\n"
    assert names(tmp_path) == ["o.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_output_of_a_failed_run_leaves_what_was_there(error, tmp_path):
    (tmp_path / "o.csv").write_text("old")
    with pytest.raises(error), output_file(str(tmp_path / "o.csv")) as file:
        file.write(b"half")
        raise error
    assert (tmp_path / "o.csv").read_text() == "old"
    assert names(tmp_path) == ["o.csv"]


def test_output_has_the_mode_of_any_new_file_or_of_the_old_one(tmp_path):
    (tmp_path / "plain").touch()
    (tmp_path / "old").touch(mode=0o640)
    for name in ("new", "old"):
        with output_file(str(tmp_path / name)):
            pass
    modes = {name: (tmp_path / name).stat().st_mode for name in ("new", "plain", "old")}
    assert modes["new"] == modes["plain"]
    assert modes["old"] & 0o777 == 0o640


def test_output_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "real.csv").touch()
    (tmp_path / "link.csv").symlink_to("real.csv")
    with output_file(str(tmp_path / "link.csv")) as file:
        file.write(b"new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == b"new"


def test_output_to_a_device_is_written_directly():
    with output_file(os.devnull) as file:
        file.write(b"gone")
    assert not Path(os.devnull).is_file()


def test_output_to_a_pipe_is_written_directly():
    read, write = os.pipe()
    with output_file(f"/dev/fd/{write}") as file:
        file.write(b"through")
    os.close(write)
    with os.fdopen(read, "rb") as end:
        assert end.read() == b"through"


def test_output_that_cannot_be_replaced_is_written_over(tmp_path, monkeypatch):
    """A file that is a mount point, as in a container that mounts the output alone."""

    def busy(*_):
        raise OSError(errno.EBUSY, "busy")

    (tmp_path / "o.csv").write_text("an old and longer text")
    monkeypatch.setattr(Path, "replace", busy)
    with output_file(str(tmp_path / "o.csv")) as file:
        file.write(b"new")
    assert (tmp_path / "o.csv").read_bytes() == b"new"
    assert names(tmp_path) == ["o.csv"]


def test_check_output_refuses_a_missing_folder_and_a_folder(tmp_path):
    with pytest.raises(DrumError, match=r"folder of --output does not exist: .*; create it first"):
        check_output(str(tmp_path / "nope" / "o.csv"))
    with pytest.raises(DrumError, match="is a folder; give the name of a file"):
        check_output(str(tmp_path))
    check_output(str(tmp_path / "o.csv"))
    check_output(os.devnull)


PRINT_IN_EVERY_WAY = """
import ctypes, subprocess, sys
from datarobot_drum.drum.cli.output import stdout_for_result
print("before")
old = sys.stdout
with stdout_for_result() as result:
    print("by print")
    old.write("by an old reference\\n")
    ctypes.CDLL(None).puts(b"by C code")
    subprocess.run(["echo", "by a program"], check=True)
    result.write(b"result\\n")
print("after")
"""


def test_result_is_alone_on_stdout_and_prints_go_to_stderr():
    command = [sys.executable, "-c", PRINT_IN_EVERY_WAY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "before\nresult\nafter\n"
    told = ["by C code", "by a program", "by an old reference", "by print"]
    assert sorted(done.stderr.splitlines()) == told


def test_stdout_is_itself_again_after_an_error(capfd):
    before = sys.stdout
    with pytest.raises(KeyboardInterrupt), stdout_for_result() as result:
        result.write(b"half")
        raise KeyboardInterrupt
    os.write(1, b"!")
    assert sys.stdout is before
    assert capfd.readouterr() == ("half!", "")
