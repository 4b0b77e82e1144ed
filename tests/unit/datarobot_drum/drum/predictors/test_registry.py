"""Which artifact, and which framework for it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.predictors.registry import (
    artifact_suffixes,
    find_artifact,
    load_artifact,
    predictor_classes,
    predictor_for,
)
from datarobot_drum.drum.predictors.sklearn import SklearnPredictor

#: unpickling it imports a framework that is not installed
NEEDS_A_FRAMEWORK = b"cno_such_framework\nModel\n."


def write(path: Path, data: bytes = b"") -> Path:
    path.write_bytes(data)
    return path


def test_built_in_predictors_come_through_the_entry_points() -> None:
    assert SklearnPredictor in predictor_classes()
    assert {".pkl", ".joblib"} <= set(artifact_suffixes())


def test_the_one_artifact_is_found_among_other_files(tmp_path: Path) -> None:
    write(tmp_path / "notes.txt")
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "other.pkl")
    artifact = write(tmp_path / "model.PKL")
    assert find_artifact(str(tmp_path)) == artifact


def test_no_artifact_lists_what_is_there_and_what_would_do(tmp_path: Path) -> None:
    write(tmp_path / "b.bin")
    write(tmp_path / "a.bin")
    with pytest.raises(StartupError) as raised:
        find_artifact(str(tmp_path))
    assert str(raised.value) == (
        f"Could not find model artifact file in: {tmp_path} supported by default predictors.\n"
        f"They support filenames with the following extensions {artifact_suffixes()}.\n"
        "If your artifact is not supported by default predictor, implement custom.load_model "
        f"hook.\nList of retrieved files are: {tmp_path / 'a.bin'} | {tmp_path / 'b.bin'}"
    )


def test_several_artifacts_are_all_named(tmp_path: Path) -> None:
    write(tmp_path / "b.pkl")
    write(tmp_path / "a.pth")
    with pytest.raises(StartupError, match="Multiple serialized model files found") as raised:
        find_artifact(str(tmp_path))
    assert f"{tmp_path / 'a.pth'} | {tmp_path / 'b.pkl'}" in str(raised.value)


def test_artifact_is_loaded_by_the_framework_of_its_ending(tmp_path: Path) -> None:
    path = write(tmp_path / "m.pkl", pickle.dumps({"a": 1}))
    assert load_artifact(path) == {"a": 1}


def test_artifact_without_its_framework_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="Check if requirements are missing") as raised:
        load_artifact(write(tmp_path / "m.pkl", NEEDS_A_FRAMEWORK))
    assert "Framework: scikit-learn, requirements: ['scikit-learn'," in str(raised.value)
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


def test_artifact_that_is_broken_shows_why(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="Could not load model from the artifact file") as raised:
        load_artifact(write(tmp_path / "m.pkl", b"not a pickle"))
    assert isinstance(raised.value.__cause__, pickle.UnpicklingError)


def test_predictor_is_chosen_by_the_object() -> None:
    assert predictor_for(LinearRegression()) is SklearnPredictor
    assert predictor_for("a model of nobody") is None
