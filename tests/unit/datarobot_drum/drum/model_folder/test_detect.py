"""The language of a model folder and the files that decide it."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import artifacts, detect_language, find_custom_file


def test_language_that_was_asked_for_is_taken_without_a_look(tmp_path):
    assert detect_language(tmp_path / "missing", "java") == "java"


@pytest.mark.parametrize(
    ("names", "language"),
    [
        (["custom.py"], "python"),
        (["sub/custom.py"], "python"),
        (["MODEL.PKL"], "python"),
        (["sub/model.joblib"], "python"),
        (["custom.R"], "r"),
        (["custom.r", "m.rds"], "r"),
        (["m.jar", "a.txt"], "java"),
        (["custom.py", "a.pkl"], "python"),
        (["a.pkl", ".hidden/b.rds"], "python"),
    ],
)
def test_language_is_that_of_the_hooks_or_of_the_only_artifacts(folder, caplog, names, language):
    assert detect_language(folder(*names)) == language
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("names", "language"),
    [
        (["custom.py", "m.rds"], "python"),
        (["custom.py", "data.zip", "a.pkl"], "python"),
        (["custom.R", "a.pkl"], "r"),
        (["custom.py", "custom.R"], "python"),
    ],
)
def test_hooks_win_over_what_lies_beside_them_with_a_warning(folder, caplog, names, language):
    assert detect_language(folder(*names)) == language
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("names", [["a.pkl", "b.rds"], ["readme.txt"], []])
def test_folder_that_does_not_tell_its_language_is_refused_with_its_files(folder, names):
    with pytest.raises(DrumError) as caught:
        detect_language(folder(*names))
    first, second, *rest = str(caught.value).split("\n")
    assert first == "Can not detect language by artifacts and/or custom.py/R files."
    assert second == "Detected: language by artifacts - None; language by custom - None."
    assert rest[-len(names) - 1 : -1] == names


@pytest.mark.parametrize("name", ["m.keras", "m.UBJ", "m.cbm", "m.skops", "m.safetensors"])
def test_ending_that_the_reference_does_not_know_tells_the_language(folder, name):
    assert detect_language(folder(name)) == "python"


@pytest.mark.parametrize("names", [["a.rds", "b.keras"], ["a.rds", "b.skops", "c.safetensors"]])
def test_such_an_ending_makes_no_folder_ambiguous(folder, names):
    assert detect_language(folder(*names)) == "r"


def test_models_that_end_like_data_tell_the_language(folder):
    path = folder("labels.json", "class_labels.txt")
    with pytest.raises(DrumError, match="Can not detect language"):
        detect_language(path)
    (path / "model.json").write_text('{"learner": {"attributes": {}}}')
    assert detect_language(path) == "python"


def test_models_that_end_like_data_make_no_folder_ambiguous(folder):
    path = folder("a.rds", "sub/b.txt")
    (path / "model.txt").write_text("tree\nversion=v4\n")
    assert detect_language(path) == "r"


def test_hooks_file_in_wrong_case_is_told_and_not_used(folder, caplog):
    with pytest.raises(DrumError, match="custom.PY"):
        detect_language(folder("custom.PY"))
    assert caplog.messages == ["custom.PY is not used: rename it to custom.py or custom.R"]


def test_two_hooks_files_are_refused_by_name(folder):
    path = folder("custom.py", "sub/custom.py")
    with pytest.raises(DrumError, match="Found too many custom hook files: ") as caught:
        detect_language(path)
    assert str([path / "custom.py", path / "sub" / "custom.py"]) in str(caught.value)


def test_find_custom_file_looks_below_the_folder_but_not_into_hidden_ones(folder):
    path = folder(".git/custom.py", "a.py")
    assert find_custom_file(path) is None
    folder("sub/custom.py")
    assert find_custom_file(path) == path / "sub" / "custom.py"


def test_artifacts_are_sorted_files_at_the_top(folder):
    path = folder("b.PKL", "a.pkl", "c.txt", "sub/d.pkl", "folder.pkl/x")
    assert artifacts(path, [".pkl"]) == [path / "a.pkl", path / "b.PKL"]
