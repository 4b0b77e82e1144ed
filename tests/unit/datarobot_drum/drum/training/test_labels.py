"""Class labels that nobody gave."""

from __future__ import annotations

import pandas as pd
import pytest

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import read_metadata
from datarobot_drum.drum.settings import ModelSpec
from datarobot_drum.drum.training.labels import class_order, resolve_fit_target

METADATA = "name: n\ntype: training\ntargetType: {}\ninferenceModel:\n{}"
BINARY = METADATA.format("binary", "  positiveClassLabel: p\n  negativeClassLabel: n\n")
MULTICLASS = METADATA.format("multiclass", "  classLabels:\n    - x\n    - y\n")
IN_A_FILE = METADATA.format("multiclass", "  classLabelsFile: labels.txt\n")


def resolve(tmp_path, target, values, metadata="", **options):
    if metadata:
        (tmp_path / "model-metadata.yaml").write_text(metadata)
        (tmp_path / "labels.txt").write_text("u\nv\n")
    spec = ModelSpec(str(tmp_path), target, **options)
    series = None if values is None else pd.Series(values)
    return resolve_fit_target(spec, read_metadata(tmp_path), series, None)


@pytest.mark.parametrize(
    ("target", "values", "order"),
    [
        ("binary", ["yes", "no", "no", None], ["no", "yes"]),
        ("binary", [1, 0, 1], ["0", "1"]),
        ("binary", [True, False], ["False", "True"]),
        ("multiclass", ["c", "a", "b"], ["a", "b", "c"]),
        ("multiclass", ["b", "a"], ["a", "b"]),
        ("regression", [1.0, 2.0], None),
        ("anomaly", None, None),
    ],
)
def test_labels_are_the_values_as_sorted_text(tmp_path, target, values, order):
    _, found = resolve(tmp_path, target, values)
    assert class_order(found) == order


def test_inference_is_told_and_passed_on(tmp_path, caplog):
    spec, _ = resolve(tmp_path, "binary", ["yes", "no"])
    assert (spec.positive_class_label, spec.negative_class_label) == ("no", "yes")
    assert "Class list not supplied. Using unique target values." in caplog.text
    spec, _ = resolve(tmp_path, "multiclass", ["y", "x"])
    assert spec.class_labels == ("x", "y")


@pytest.mark.parametrize(
    ("target", "metadata", "options", "order"),
    [
        ("binary", "", {"positive_class_label": "q", "negative_class_label": "r"}, ["q", "r"]),
        ("multiclass", "", {"class_labels": ("m", "l")}, ["m", "l"]),
        ("binary", BINARY, {}, ["p", "n"]),
        (None, BINARY, {}, ["p", "n"]),
        (None, MULTICLASS, {}, ["x", "y"]),
        (None, IN_A_FILE, {}, ["u", "v"]),
    ],
)
def test_labels_that_were_given_count(tmp_path, caplog, target, metadata, options, order):
    _, found = resolve(tmp_path, target, ["1", "2", "3"], metadata, **options)
    assert class_order(found) == order
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("target", "values", "message"),
    [
        ("binary", ["yes", "yes"], "Only one target label was provided, please revise training"),
        ("multiclass", ["yes"], "Only one target label was provided"),
        ("multiclass", [None, None], "the target has no values"),
        ("binary", [3, 1, 2], r"requires exactly 2 class labels. Detected 3: \['1', '2', '3'\]"),
        ("multilabel", ["a", "b"], "Class labels are missing"),
        ("binary", None, "Positive/negative class labels are missing"),
        (None, [1], "Target type is missing"),
    ],
)
def test_target_without_the_labels_it_needs_is_refused(tmp_path, target, values, message):
    with pytest.raises(DrumError, match=message):
        resolve(tmp_path, target, values)
