"""A model folder inside a program: what agent code does to try itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError, UsageError
from datarobot_drum.drum.root_predictors.drum_inline_utils import drum_inline_predictor

HOOKS = """
import pandas as pd
from datarobot_drum import RuntimeParameters


def load_model(code_dir):
    return "model"


def chat(params, model, headers=None):
    return {"said": params["messages"], "headers": dict(headers)}


def score(data, model, **kwargs):
    return pd.DataFrame({"reply": data["q"] + RuntimeParameters.get("TAIL"), "length": 1})


def transform(data, model):
    return data


def score_unstructured(model, data, query, **kwargs):
    return data.upper(), {"mimetype": "text/x", "charset": kwargs["charset"]}
"""
PARAMETERS = (
    "runtimeParameterDefinitions:\n  - {fieldName: TAIL, type: string, defaultValue: '!'}\n"
)
METADATA = f"name: m\ntype: inference\ntargetType: textgeneration\n{PARAMETERS}"

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    path = list(sys.path)

    def make(metadata: str = "") -> Path:
        (tmp_path / "custom.py").write_text(HOOKS)
        if metadata:
            (tmp_path / "model-metadata.yaml").write_text(metadata)
        return tmp_path

    yield make
    sys.path[:] = path
    sys.modules.pop("custom", None)


def test_chat_is_that_of_the_hook_without_headers(folder: Folder) -> None:
    with drum_inline_predictor("agenticworkflow", folder(), "reply") as predictor:
        answer = predictor.chat({"messages": ["hi"]}, headers={"a": "b"})
    assert answer == {"said": ["hi"], "headers": {}}


def test_predictions_come_with_extra_columns_and_defaults_of_parameters(folder: Folder) -> None:
    with drum_inline_predictor("textgeneration", folder(METADATA), "reply") as predictor:
        frame = predictor.predict(b"q\na\nb\n")
    assert frame.iloc[:, 0].tolist() == ["a!", "b!"]
    assert frame["length"].tolist() == [1, 1]


def test_unstructured_answer_has_its_media_type(folder: Folder) -> None:
    with drum_inline_predictor(TargetType.UNSTRUCTURED, folder(), None) as predictor:
        answer = predictor.predict_unstructured(b"hi", mimetype="text/plain", charset="utf8")
    assert answer == ("HI", {"mimetype": "text/x", "charset": "utf8"})


def test_table_is_transformed(folder: Folder) -> None:
    with drum_inline_predictor("transform", folder(), None) as predictor:
        assert predictor.transform(b"q\na\n")["q"].tolist() == ["a"]


def test_environment_is_afterwards_what_it_was(folder: Folder) -> None:
    before = dict(os.environ)
    with drum_inline_predictor("textgeneration", folder(METADATA), "reply"):
        assert os.environ["TARGET_NAME"] == "reply"
        assert "MLOPS_RUNTIME_PARAM_TAIL" in os.environ
    assert dict(os.environ) == before


def test_options_of_the_server_are_taken(folder: Folder, tmp_path: Path) -> None:
    code_dir = folder(METADATA)
    values = tmp_path / "values.yaml"
    values.write_text("TAIL: '?'\n")
    options = ("--runtime-params-file", str(values))
    with drum_inline_predictor("textgeneration", code_dir, "reply", *options) as predictor:
        assert predictor.predict(b"q\na\n").iloc[0, 0] == "a?"


def test_options_that_are_wrong_raise(folder: Folder) -> None:
    with (
        pytest.raises(UsageError, match="drum server"),
        drum_inline_predictor("textgeneration", folder(), "reply", "--no-such-option"),
    ):
        pass


def test_folder_that_cannot_be_loaded_raises(tmp_path: Path) -> None:
    with pytest.raises(DrumError), drum_inline_predictor("regression", tmp_path, None):
        pass


def test_predictions_without_extra_columns_are_the_frame(tmp_path: Path, folder: Folder) -> None:
    code_dir = folder(METADATA)
    custom = (code_dir / "custom.py").read_text().replace(', "length": 1', "")
    (code_dir / "custom.py").write_text(custom)
    with drum_inline_predictor("textgeneration", code_dir, "reply") as predictor:
        assert list(predictor.predict(b"q\na\n").iloc[:, 0]) == ["a!"]
