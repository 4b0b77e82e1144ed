"""Which artifact, and which framework for it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
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
XGBOOST = b'{"learner":{"attributes":{}'
LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n"


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


@pytest.mark.parametrize(
    ("used", "others"),
    [
        # an ending that the reference loads counts alone
        ("model.pkl", ["labels.json", "class_labels.txt", "notes.model"]),
        ("model.pkl", ["scaler.joblib", "trees.ubj", "other.cbm", "net.keras", "more.skops"]),
        ("net.h5", ["model.json"]),
        # an ending of models alone comes before those that data files have
        ("model.joblib", ["model.json", "model.txt"]),
        ("model.cbm", ["model.json"]),
        # of files with a common ending only models count
        ("model.json", ["labels.json", "class_labels.txt", "notes.model"]),
        ("model.txt", ["class_labels.txt", "requirements.txt"]),
        ("trees.model", ["class_labels.txt"]),
    ],
)
def test_artifact_is_told_from_what_lies_beside_it(
    used: str, others: list[str], tmp_path: Path
) -> None:
    contents = {"model.json": XGBOOST, "model.txt": LIGHTGBM, "trees.model": LIGHTGBM}
    for name in [used, *others]:
        write(tmp_path / name, contents.get(name, b'{"learner": "a word"}\ntree\n'))
    assert find_artifact(str(tmp_path)) == tmp_path / used


@pytest.mark.parametrize("names", [["a.h5", "b.pth"], ["a.ubj", "b.keras"], ["a.json", "b.txt"]])
def test_two_artifacts_of_one_rank_are_too_many(names: list[str], tmp_path: Path) -> None:
    for name, content in zip(names, (XGBOOST, LIGHTGBM), strict=True):
        write(tmp_path / name, content)
    with pytest.raises(StartupError, match="Multiple serialized model files found"):
        find_artifact(str(tmp_path))


def test_artifact_that_is_not_used_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.pkl")
    write(tmp_path / "b.cbm")
    find_artifact(str(tmp_path))
    assert caplog.messages == [f"{tmp_path / 'a.pkl'} is used; not used: {tmp_path / 'b.cbm'}"]


def test_weights_alone_need_a_hook_and_are_told_so(tmp_path: Path) -> None:
    write(tmp_path / "w.safetensors")
    with pytest.raises(StartupError, match=r"\['w.safetensors'\] hold weights without a model"):
        find_artifact(str(tmp_path))


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
    assert "No module named 'no_such_framework'" in str(raised.value)
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("name", "content", "framework", "extra"),
    [
        ("m.onnx", b"", "onnx", "onnx"),
        ("m.pth", b"", "torch", "torch"),
        ("m.h5", b"", "keras", "keras"),
        ("m.keras", b"", "keras", "keras"),
        ("m.ubj", b"", "xgboost", "xgboost"),
        ("m.json", XGBOOST, "xgboost", "xgboost"),
        ("m.txt", LIGHTGBM, "lightgbm", "lightgbm"),
        ("m.cbm", b"", "catboost", "catboost"),
        ("m.skops", b"", "scikit-learn", "skops"),
        # a pickle's framework is known by the module that was not found
        ("m.pkl", b"cxgboost.core\nBooster\n.", "xgboost", "xgboost"),
        ("m.pkl", b"ctorch.nn\nLinear\n.", "torch", "torch"),
        ("m.pkl", b"clightgbm.basic\nBooster\n.", "lightgbm", "lightgbm"),
    ],
)
def test_framework_that_is_missing_is_named_with_its_pip_line(
    name: str, content: bytes, framework: str, extra: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(StartupError, match="Check if requirements are missing") as raised:
        load_artifact(path)
    assert f"Framework: {framework}, requirements: [" in str(raised.value)
    assert str(raised.value).endswith(f"; pip install 'opendrum[{extra}]'")


def test_predictors_are_asked_in_the_order_of_the_contract() -> None:
    names = [cls.name for cls in predictor_classes() if cls.__module__.startswith("datarobot_drum")]
    contract = ["keras", "xgboost", "torch", "scikit-learn", "onnx"]
    assert [name for name in dict.fromkeys(names) if name in contract] == contract


def test_refusal_imports_no_framework() -> None:
    code = (
        "import sys; from datarobot_drum.drum.predictors.registry import predictor_for\n"
        "assert predictor_for(5) is None\n"
        "loaded = {'sklearn', 'torch', 'keras', 'xgboost', 'lightgbm', 'catboost', 'onnxruntime'}\n"
        "assert not loaded & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


def test_artifact_that_is_broken_shows_why(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="Could not load model from the artifact file") as raised:
        load_artifact(write(tmp_path / "m.pkl", b"not a pickle"))
    assert isinstance(raised.value.__cause__, pickle.UnpicklingError)


def test_predictor_is_chosen_by_the_object() -> None:
    assert predictor_for(LinearRegression()) is SklearnPredictor
    assert predictor_for("a model of nobody") is None
