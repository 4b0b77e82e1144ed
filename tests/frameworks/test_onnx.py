"""ONNX files with inputs and outputs of several kinds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from datarobot_drum.drum.errors import DrumError, HookError, StartupError
from datarobot_drum.drum.predictors.registry import load_artifact

pytestmark = pytest.mark.framework("onnx")

LEGACY = {"DRUM_LEGACY_LABEL_ORDER": "true"}


def write(path, nodes, inputs, outputs, initializers=()):
    """A graph of these nodes; inputs and outputs are (name, type, shape)."""
    from onnx import helper

    ends = [[helper.make_tensor_value_info(*end) for end in group] for group in (inputs, outputs)]
    made = [helper.make_node(*node) for node in nodes]
    graph = helper.make_graph(made, "test", *ends, list(initializers))
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    (path / "model.onnx").write_bytes(model.SerializeToString())


def write_identity(path, kind, shape):
    """A model of one column that answers what it gets."""
    from onnx import TensorProto

    type_ = getattr(TensorProto, kind)
    nodes = [("Identity", ["x"], ["y"])]
    write(path, nodes, [("x", type_, shape)], [("y", type_, shape)])


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "FLOAT16", "INT32", "INT64"])
def test_input_gets_the_type_that_it_declares(tmp_path, answer, kind):
    write_identity(tmp_path, kind, [None, 1])
    frame = answer("regression", pd.DataFrame({"a": [1.0, 2.0]}))
    assert frame["Predictions"].tolist() == [1, 2]
    assert frame["Predictions"].dtype == {"FLOAT": "float32", "DOUBLE": "float64"}.get(
        kind, kind.lower()
    )


@pytest.mark.parametrize("value", [1.5, np.nan])
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_fraction_is_refused_where_a_whole_number_is_wanted(tmp_path, answer, value):
    write_identity(tmp_path, "INT64", [None, 1])
    with pytest.raises(HookError, match="Failure when making predictions.*whole numbers"):
        answer("regression", pd.DataFrame({"a": [1.0, value]}))


def test_text_is_passed_as_text_and_refused_as_a_number(tmp_path, answer):
    write_identity(tmp_path, "STRING", [None, 1])
    table = pd.DataFrame({"a": ["1.5", "2"]})
    assert answer("regression", table)["Predictions"].tolist() == [1.5, 2]
    write_identity(tmp_path, "FLOAT", [None, 1])
    with pytest.raises(HookError, match="Failure when making predictions. Exception: ValueError"):
        answer("regression", pd.DataFrame({"a": ["many"]}))


@pytest.mark.parametrize("shape", [[None], [None, 1]])
def test_several_inputs_are_columns_by_name(tmp_path, answer, shape):
    from onnx import TensorProto

    inputs = [("a", TensorProto.FLOAT, shape), ("b", TensorProto.FLOAT, shape)]
    write(tmp_path, [("Sub", ["a", "b"], ["y"])], inputs, [("y", TensorProto.FLOAT, shape)])
    table = pd.DataFrame({"unused": ["x", "y"], "b": [1.0, 2.0], "a": [5.0, 7.0]})
    assert answer("regression", table)["Predictions"].tolist() == [4, 5]


def test_only_the_first_input_is_fed_when_they_are_no_columns(tmp_path, answer):
    from onnx import TensorProto, helper

    inputs = [("x", TensorProto.FLOAT, [None, 1]), ("scale", TensorProto.FLOAT, [1])]
    default = helper.make_tensor("scale", TensorProto.FLOAT, [1], [3.0])
    output = ("y", TensorProto.FLOAT, [None, 1])
    write(tmp_path, [("Mul", ["x", "scale"], ["y"])], inputs, [output], [default])
    frame = answer("regression", pd.DataFrame({"a": [2.0]}))
    assert frame["Predictions"].tolist() == [6]


def write_two_outputs(tmp_path, names):
    from onnx import TensorProto

    nodes = [("Identity", ["x"], [names[0]]), ("Softmax", ["x"], [names[1]])]
    ends = [(name, TensorProto.FLOAT, [None, 2]) for name in ("x", *names)]
    write(tmp_path, nodes, ends[:1], ends[1:])


def test_classifier_answers_with_the_output_of_probabilities(tmp_path, answer):
    write_two_outputs(tmp_path, ("label", "probabilities"))
    frame = answer("binary", pd.DataFrame({"a": [3.0], "b": [3.0]}))
    assert frame.to_numpy().tolist() == [[0.5, 0.5]]


def test_without_such_a_name_the_first_output_counts(tmp_path, answer):
    write_two_outputs(tmp_path, ("first", "second"))
    frame = answer("binary", pd.DataFrame({"a": [0.25], "b": [0.75]}))
    assert frame[["no", "yes"]].to_numpy().tolist() == [[0.25, 0.75]]


def test_width_that_does_not_fit_the_labels_is_told(tmp_path, answer):
    write_two_outputs(tmp_path, ("first", "second"))
    with pytest.raises(DrumError, match="Expected 3 columns, but received 2"):
        answer("multilabel", pd.DataFrame({"a": [0.25], "b": [0.75]}))


def write_zipmap(tmp_path, data, labels):
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(data.table.to_numpy(), np.array(labels)[data.flag])
    onnx = convert_sklearn(model, initial_types=[("rows", FloatTensorType([None, 3]))])
    (tmp_path / "model.onnx").write_bytes(onnx.SerializeToString())
    return model.predict_proba(data.table.to_numpy())


@pytest.mark.parametrize(
    ("labels", "columns"),
    [(["no", "yes"], ["no", "yes"]), (["yes", "no"], ["no", "yes"]), ([0, 1], ["no", "yes"])],
)
def test_keys_of_dictionaries_are_labels_where_they_fit(tmp_path, data, answer, labels, columns):
    values = write_zipmap(tmp_path, data, labels)
    frame = answer("binary", data.table)
    np.testing.assert_allclose(frame[columns], values, atol=1e-6)


def test_keys_that_fit_no_label_keep_their_order(tmp_path, data, answer):
    values = write_zipmap(tmp_path, data, ["bad", "good"])
    np.testing.assert_allclose(answer("binary", data.table)[["no", "yes"]], values, atol=1e-6)


def test_legacy_order_does_not_look_at_keys(tmp_path, data, answer):
    values = write_zipmap(tmp_path, data, ["no", "yes"])
    frame = answer("binary", data.table, LEGACY)
    np.testing.assert_allclose(frame[["yes", "no"]], values, atol=1e-6)


def test_empty_table_of_a_dictionary_model_is_answered(tmp_path, data, answer):
    write_zipmap(tmp_path, data, ["no", "yes"])
    assert len(answer("binary", data.table.head(0))) == 0


@pytest.mark.parametrize("content", [b"", b"no graph"])
def test_file_without_a_graph_is_told(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(StartupError, match="Could not load model from the artifact file"):
        load_artifact(tmp_path / "model.onnx")


def test_table_of_another_width_is_the_runtimes_error(tmp_path, data, answer):
    write_zipmap(tmp_path, data, ["no", "yes"])
    with pytest.raises(HookError, match="Failure when making predictions. Exception: "):
        answer("binary", data.table[["height"]])
