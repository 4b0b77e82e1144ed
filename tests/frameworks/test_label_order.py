"""Values without labels, from a real model of each framework that gives such."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

ENVIRONMENT_OF = {
    "xgboost": "trees",
    "lightgbm": "trees",
    "onnx": "onnx",
    "torch": "torch",
    "keras": "keras",
}
# what Keras itself does to arrays of JAX
LIBRARY_WARNING = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(LIBRARY_WARNING)
LEGACY = {"DRUM_LEGACY_LABEL_ORDER": "true"}

each_framework = pytest.mark.parametrize(
    "bare",
    [
        pytest.param(name, marks=pytest.mark.framework(environment))
        for name, environment in ENVIRONMENT_OF.items()
    ],
    indirect=True,
)


@pytest.fixture
def bare(request, tmp_path, data):
    """`bare(width)` writes a model into the folder and returns what it predicts."""
    module = importlib.import_module(f"tests.frameworks.train_{request.param}")
    return lambda width: module.bare(tmp_path, data, width)


@each_framework
def test_one_value_is_the_positive_class(bare, answer, data):
    values = np.ravel(bare(1))
    frame = answer("binary", data.table)
    np.testing.assert_allclose(frame["yes"], values, rtol=1e-6)
    np.testing.assert_allclose(frame["no"], 1 - values, rtol=1e-6)


@each_framework
def test_two_values_are_the_negative_and_the_positive_class(bare, answer, data):
    values = bare(2)
    np.testing.assert_allclose(answer("binary", data.table)[["no", "yes"]], values, rtol=1e-6)


@each_framework
def test_several_values_have_the_given_order(bare, answer, data):
    values = bare(3)
    frame = answer("multiclass", data.table)
    assert list(frame.columns) == ["a", "b", "c"]
    np.testing.assert_allclose(frame, values, rtol=1e-6)


@each_framework
@pytest.mark.parametrize("width", [1, 2])
def test_legacy_order_swaps_the_labels_of_a_binary_model(bare, width, answer, data):
    bare(width)
    documented, legacy = answer("binary", data.table), answer("binary", data.table, LEGACY)
    np.testing.assert_array_equal(legacy["yes"], documented["no"])
    np.testing.assert_array_equal(legacy["no"], documented["yes"])


@each_framework
def test_legacy_order_leaves_multiclass_alone(bare, answer, data):
    bare(3)
    documented, legacy = answer("multiclass", data.table), answer("multiclass", data.table, LEGACY)
    assert legacy.equals(documented)


@each_framework
def test_post_process_keeps_the_documented_order(bare, answer, data, tmp_path):
    values = np.ravel(bare(1))
    (tmp_path / "custom.py").write_text("def post_process(frame, model):\n    return frame\n")
    frame = answer("binary", data.table, LEGACY)
    np.testing.assert_allclose(frame["yes"], values, rtol=1e-6)
