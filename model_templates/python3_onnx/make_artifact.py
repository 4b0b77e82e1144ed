"""Train on scikit-learn's iris data, convert the model to ONNX and write it as model.onnx."""

from __future__ import annotations

from pathlib import Path

from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Train with the species names as labels: the converter writes them into the graph."""
    data = load_iris()
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(data.data, data.target_names[data.target])
    onnx = convert_sklearn(model, initial_types=[("rows", FloatTensorType([None, 4]))])
    Path(__file__).with_name("model.onnx").write_bytes(onnx.SerializeToString())


if __name__ == "__main__":
    main()
