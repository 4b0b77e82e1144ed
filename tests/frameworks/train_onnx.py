"""Trains the ONNX cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from tests.frameworks import training

MATRIX = [("rows", FloatTensorType([None, 3]))]


def write(folder: Path, model: Any, inputs: Any, **options: Any) -> onnxruntime.InferenceSession:
    """Convert, write, and open the file again with the runtime."""
    onnx = convert_sklearn(model, initial_types=inputs, **options)
    path = folder / "model.onnx"
    path.write_bytes(onnx.SerializeToString())
    return onnxruntime.InferenceSession(str(path))


def matrix_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """Two outputs, labels and a matrix of probabilities: negative, positive."""
    model = LogisticRegression().fit(data.table.to_numpy(), data.flag)
    session = write(folder, model, MATRIX, options={"zipmap": False})
    values = session.run(["probabilities"], {"rows": matrix(data)})[0]
    return training.by_label(values, ["no", "yes"])


def zipmap_multiclass(folder: Path, data: training.Data) -> pd.DataFrame:
    """Probabilities as a list of dictionaries, as converters write them unasked."""
    labels = np.array(["a", "b", "c"])[data.classes]
    model = LogisticRegression().fit(data.table.to_numpy(), labels)
    session = write(folder, model, MATRIX)
    rows = session.run(["output_probability"], {"rows": matrix(data)})[0]
    return pd.DataFrame(rows)


def matrix_multilabel(folder: Path, data: training.Data) -> pd.DataFrame:
    """Two outputs, the labels that hold as 0 and 1, and a matrix of a probability for each."""
    held = np.column_stack([data.flag, data.classes > 0, data.table["width"] > 0]).astype(int)
    model = OneVsRestClassifier(LogisticRegression()).fit(data.table.to_numpy(), held)
    session = write(folder, model, MATRIX, options={"zipmap": False})
    values = session.run(["probabilities"], {"rows": matrix(data)})[0]
    return training.by_label(values, ["a", "b", "c"])


def columns_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """One input for each column of the table."""
    names = list(data.table.columns)
    model = make_pipeline(ColumnTransformer([("all", "passthrough", names)]), Ridge())
    model.fit(data.table, data.number)
    inputs = [(name, FloatTensorType([None, 1])) for name in names]
    session = write(folder, model, inputs)
    feed = {name: data.table[[name]].to_numpy("float32") for name in names}
    return training.one_column(session.run(None, feed)[0])


def bare(folder: Path, data: training.Data, width: int) -> Any:
    """A graph that gives `width` values a row in its only output; they are returned."""
    random = np.random.default_rng(width)
    weights = numpy_helper.from_array(random.normal(size=(3, width)).astype("float32"), "weights")
    last = "Sigmoid" if width == 1 else "Softmax"
    nodes = [
        helper.make_node("MatMul", ["rows", "weights"], ["scores"]),
        helper.make_node(last, ["scores"], ["answer"]),
    ]
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 3])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, width])
    graph = helper.make_graph(nodes, "bare", [rows], [answer], [weights])
    opset = helper.make_opsetid("", 17)
    onnx = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    return onnxruntime.InferenceSession(folder / "model.onnx").run(None, {"rows": matrix(data)})[0]


def matrix(data: training.Data) -> np.ndarray[Any, Any]:
    """The rows as most ONNX models want them."""
    return data.table.to_numpy("float32")


if __name__ == "__main__":
    training.run(
        {
            "matrix_binary": matrix_binary,
            "zipmap_multiclass": zipmap_multiclass,
            "matrix_multilabel": matrix_multilabel,
            "columns_regression": columns_regression,
        }
    )
