"""What `--strict-metadata` refuses."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import check_strict_metadata

HEAD = "name: n\ntype: training\ntargetType: regression\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inferenceModel:\n  predictionThreshold: 1\n",
        "inferenceModel:\n",
        "validation:\n  input: '[a]'\n",
        "customPredictor:\n  any:\n    - thing\n",
    ],
)
def test_ordinary_metadata_pass(tmp_path, text):
    (tmp_path / "model-metadata.yaml").write_text(HEAD + text)
    check_strict_metadata(tmp_path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("customPredictor: [a]\n", "flow style in line 4"),
        ("customPredictor: {a: 1}\n", "flow style in line 4"),
        ("description: &a text\n", "anchor or alias in line 4"),
        ("description: !!str text\n", "tag in line 4"),
        ("colour: red\n", "unknown key 'colour'"),
        ("validation:\n  input: x\n  speed: y\n", "unknown key 'validation.speed'"),
        ("inferenceModel:\n  predictionThreshold: 0.5\n", "predictionThreshold is not a whole"),
    ],
)
def test_loose_metadata_are_refused_with_the_place(tmp_path, text, fault):
    (tmp_path / "model-metadata.yaml").write_text(HEAD + text)
    with pytest.raises(DrumError, match=f"is not strict: {fault}"):
        check_strict_metadata(tmp_path)


def test_folder_without_metadata_passes(tmp_path):
    check_strict_metadata(tmp_path)
