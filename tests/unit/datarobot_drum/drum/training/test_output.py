"""The folder of a trained model: what gets in, and what stays out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.training import output


@pytest.fixture
def folder(tmp_path):
    """Where training writes to."""
    (tmp_path / "stage").mkdir()
    return tmp_path / "stage"


@pytest.fixture
def code(code_dir):
    """A model folder with a subfolder and bytecode."""
    for name in ("custom.py", "sub/data.txt", "__pycache__/custom.pyc", "sub/__pycache__/x.pyc"):
        (code_dir / name).parent.mkdir(exist_ok=True)
        (code_dir / name).write_text(name)
    return code_dir


def names(folder):
    found = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(str(path.relative_to(folder)) for path in found)


def test_code_is_copied_without_bytecode(code, folder):
    assert output.add_code(str(code), folder, None) == []
    assert names(folder) == ["custom.py", "sub/data.txt"]


def test_what_was_trained_comes_before_the_code(code, folder):
    (folder / "custom.py").write_text("trained")
    assert output.add_code(str(code), folder, None) == ["custom.py"]
    assert (folder / "custom.py").read_text() == "trained"


def test_folders_of_a_read_only_model_can_be_written_in_the_copy(code, folder):
    for path in (code / "sub", code):
        path.chmod(0o555)
    try:
        output.add_code(str(code), folder, None)
    finally:
        for path in (code, code / "sub"):
            path.chmod(0o755)
    # root is let in by any mode
    assert [path.stat().st_mode & 0o700 for path in (folder, folder / "sub")] == [0o700] * 2


def test_closed_folder_of_a_training_is_removed(tmp_path, monkeypatch):
    modes: list[int] = []
    rmtree = shutil.rmtree

    def remove(path, **options):
        modes.extend(found.stat().st_mode & 0o700 for found in Path(path).rglob("*"))
        rmtree(path, **options)

    monkeypatch.setattr(shutil, "rmtree", remove)
    with output.training_folder(str(tmp_path)) as folder:
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "link").symlink_to(folder / "a")
        for path in (folder / "a" / "b", folder / "a"):
            path.chmod(0)
    assert modes == [0o700] * 3
    assert list(tmp_path.iterdir()) == []


def test_training_folder_that_cannot_be_removed_is_told(tmp_path, monkeypatch, caplog):
    def fail(path, ignore_errors=False):
        if not ignore_errors:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", fail)
    with output.training_folder(str(tmp_path)) as folder:
        pass
    assert f"is left in part: {folder}: " in caplog.text


def test_output_inside_the_code_is_not_copied_into_itself(code):
    out = code / "sub" / "out"
    out.mkdir()
    (out / "old.txt").write_text("old")
    with output.training_folder(str(out)) as folder:
        output.add_code(str(code), folder, str(out))
        assert names(folder) == ["custom.py", "sub/data.txt"]


def test_links_are_followed_but_not_back_up_nor_to_nothing(code, folder, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "words.txt").write_text("words")
    (code / "shared").symlink_to(tmp_path / "shared")
    (code / "file").symlink_to(tmp_path / "shared" / "words.txt")
    (code / "loop").symlink_to(code)
    (code / "sub" / "up").symlink_to(code)
    (code / "nothing").symlink_to(tmp_path / "gone")
    os.mkfifo(code / "pipe")
    output.add_code(str(code), folder, None)
    assert names(folder) == ["custom.py", "file", "shared/words.txt", "sub/data.txt"]


def test_readme_is_written_where_there_is_none(folder, tmp_path):
    output.add_readme(folder, str(tmp_path))
    assert "drum fit" in (folder / "README.md").read_text()


@pytest.mark.parametrize("place", ["stage", "out"])
def test_readme_that_is_there_stays(folder, tmp_path, place):
    (tmp_path / "out").mkdir()
    (tmp_path / place / "README.md").write_text("mine")
    output.add_readme(folder, str(tmp_path / "out"))
    found = [path.read_text() for path in tmp_path.glob("*/README.md")]
    assert found == ["mine"]


def test_published_files_replace_those_before(folder, tmp_path):
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    (out / "sub" / "a").write_text("old")
    (out / "kept").write_text("kept")
    for name in ("sub/a", "sub/b", "empty/"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("new")
    assert output.publish(folder, str(out)) == ["sub/a"]
    assert names(out) == ["kept", "sub/a", "sub/b"]
    assert ((out / "sub/a").read_text(), (out / "empty").is_dir()) == ("new", True)


def test_link_to_a_folder_is_published_as_a_link(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (folder / "real").mkdir()
    (folder / "real" / "file").write_text("text")
    (folder / "link").symlink_to("real")
    output.publish(folder, str(tmp_path / "out"))
    assert (tmp_path / "out" / "link").is_symlink()
    assert (tmp_path / "out" / "link" / "file").read_text() == "text"


@pytest.mark.parametrize(("new", "old"), [("x", "x/y"), ("x/y", "x")])
def test_file_cannot_take_the_place_of_a_folder(folder, tmp_path, new, old):
    for top, name in ((folder, new), (tmp_path / "out", old)):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    with pytest.raises(DrumError, match="has x of another kind; remove it first"):
        output.publish(folder, str(tmp_path / "out"))
    assert names(tmp_path / "out") == [old]


@pytest.mark.parametrize("has_output", [True, False])
def test_training_folder_is_empty_and_gone_at_the_end(tmp_path, has_output):
    with (
        pytest.raises(ZeroDivisionError),
        output.training_folder(str(tmp_path) if has_output else None) as folder,
    ):
        assert list(folder.iterdir()) == []
        assert (folder.parent == tmp_path) is has_output
        (folder / "half").write_text("half")
        raise ZeroDivisionError
    assert not folder.exists()


def test_code_folder_is_no_output_folder(code_dir, tmp_path):
    (tmp_path / "link").symlink_to(code_dir)
    with pytest.raises(DrumError, match="The code directory may not be used as the output"):
        output.check_output_folder(str(tmp_path / "link"), str(code_dir))


def test_output_folder_must_be_writable(code_dir, tmp_path, monkeypatch):
    # root may write everywhere
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(DrumError, match="cannot be written; choose another folder"):
        output.check_output_folder(str(tmp_path / "out"), str(code_dir))


@pytest.mark.parametrize(
    ("there", "blocked"),
    [
        ("custom.py/x", "custom.py"),
        ("sub", "sub"),
        ("sub/data.txt/x", "sub/data.txt"),
        ("f/x", "f"),
    ],
)
def test_what_is_in_the_way_is_told_before_training(code, tmp_path, there, blocked):
    (tmp_path / "out" / there).parent.mkdir(parents=True)
    (tmp_path / "out" / there).write_text("mine")
    with pytest.raises(DrumError, match=f"has {blocked} of another kind; remove it first"):
        output.check_output_folder(str(tmp_path / "out"), str(code), ["f"])


def test_what_is_not_copied_is_not_in_the_way(code):
    out = code / "sub" / "out"
    (out / "__pycache__").mkdir(parents=True)
    (out / "sub").mkdir()
    (out / "sub" / "out").write_text("mine")
    (code / "sub" / "up").symlink_to(code)
    output.check_output_folder(str(out), str(code), ["f"])
