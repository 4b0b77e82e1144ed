"""Trains the cases of H2O and PMML, and compiles those that are Java."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import h2o
import numpy as np
import pandas as pd
from h2o.estimators import H2OGeneralizedLinearEstimator, H2OGradientBoostingEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from tests.frameworks import training
from tests.frameworks.java_sources import OWN, make_jar, make_scoring_code


def with_h2o(fit: Callable[[h2o.H2OFrame], Any], data: training.Data, save: str, folder: Path):
    """Train on a cluster of one, save the artifact and predict."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    h2o.init(port=port, nthreads=1, max_mem_size="1g", ice_root=tempfile.mkdtemp(), verbose=False)
    try:
        h2o.no_progress()
        flag = np.array(["no", "yes"])[data.flag]
        labels = np.array(["a", "b", "c"])[data.classes]
        table = data.table.assign(number=data.number, flag=flag, label=labels)
        frame = h2o.H2OFrame(table, column_types={"flag": "enum", "label": "enum"})
        model = fit(frame)
        getattr(model, save)(str(folder), get_genmodel_jar=False)
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            h2o.export_file(model.predict(frame), file.name, force=True)
            answer = pd.read_csv(file.name)
    finally:
        h2o.cluster().shutdown()
    if len(answer.columns) == 1:
        return training.one_column(answer["predict"])
    return answer.drop(columns="predict")


def mojo_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """Trees in a MOJO."""

    def fit(frame: h2o.H2OFrame) -> Any:
        model = H2OGradientBoostingEstimator(ntrees=5, seed=1, min_rows=2)
        model.train(x=list(data.table.columns), y="number", training_frame=frame)
        return model

    return with_h2o(fit, data, "download_mojo", folder)


def mojo_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """A linear model in a MOJO."""

    def fit(frame: h2o.H2OFrame) -> Any:
        model = H2OGeneralizedLinearEstimator(family="binomial", lambda_=0.01)
        model.train(x=list(data.table.columns), y="flag", training_frame=frame)
        return model

    return with_h2o(fit, data, "download_mojo", folder)


def pojo_multiclass(folder: Path, data: training.Data) -> pd.DataFrame:
    """Trees as Java source."""

    def fit(frame: h2o.H2OFrame) -> Any:
        model = H2OGradientBoostingEstimator(ntrees=5, seed=1, min_rows=2)
        model.train(x=list(data.table.columns), y="label", training_frame=frame)
        return model

    return with_h2o(fit, data, "download_pojo", folder)


def pmml_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """A linear regression that scikit-learn has fitted, written as PMML."""
    model = LinearRegression().fit(data.table, data.number)
    root = pmml("regression", data.table.columns, {"number": []})
    add_table(root, model.intercept_, model.coef_, data.table.columns)
    write_pmml(root, folder)
    return training.one_column(model.predict(data.table))


def pmml_multiclass(folder: Path, data: training.Data) -> pd.DataFrame:
    """A multinomial logistic regression, one of whose labels has a blank."""
    labels = np.array(["a", "b", "c d"])
    model = LogisticRegression().fit(data.table, labels[data.classes])
    root = pmml("classification", data.table.columns, {"label": list(labels)})
    for label, intercept, weights in zip(labels, model.intercept_, model.coef_, strict=True):
        add_table(root, intercept, weights, data.table.columns, targetCategory=label)
    write_pmml(root, folder)
    return training.by_label(model.predict_proba(data.table), list(labels))


def pmml(function: str, columns: Any, target: dict[str, list[str]]) -> Xml.Element:
    """A document of a regression model without its tables."""
    (name, labels), *_ = target.items()
    root = Xml.Element("PMML", xmlns="http://www.dmg.org/PMML-4_4", version="4.4")
    Xml.SubElement(root, "Header")
    dictionary = Xml.SubElement(root, "DataDictionary")
    for column in columns:
        Xml.SubElement(dictionary, "DataField", name=column, optype="continuous", dataType="double")
    kind = (
        {"optype": "categorical", "dataType": "string"}
        if labels
        else {"optype": "continuous", "dataType": "double"}
    )
    field = Xml.SubElement(dictionary, "DataField", {"name": name, **kind})
    for label in labels:
        Xml.SubElement(field, "Value", value=label)
    method = {"normalizationMethod": "softmax"} if labels else {}
    model = Xml.SubElement(root, "RegressionModel", {"functionName": function, **method})
    schema = Xml.SubElement(model, "MiningSchema")
    for column in columns:
        Xml.SubElement(schema, "MiningField", name=column)
    Xml.SubElement(schema, "MiningField", name=name, usageType="target")
    return root


def add_table(root: Xml.Element, intercept: float, weights: Any, columns: Any, **more: Any) -> None:
    """The weights of a linear function."""
    model = root.find("RegressionModel")
    assert model is not None
    table = Xml.SubElement(model, "RegressionTable", intercept=repr(float(intercept)), **more)
    for column, weight in zip(columns, weights, strict=True):
        Xml.SubElement(table, "NumericPredictor", name=column, coefficient=repr(float(weight)))


def write_pmml(root: Xml.Element, folder: Path) -> None:
    """The only artifact of a folder."""
    Xml.ElementTree(root).write(folder / "model.pmml", encoding="utf-8", xml_declaration=True)


def own_regression(folder: Path, data: training.Data) -> pd.DataFrame:
    """A class with `configure` and `predict` in a jar."""
    make_jar(folder / "model.jar", [OWN])
    return training.one_column(data.table["height"] * 3 + 0.1)


def code_binary(folder: Path, data: training.Data) -> pd.DataFrame:
    """Scoring code in a jar."""
    make_scoring_code(folder / "model.jar")
    yes = 1 / (1 + np.exp(data.table["width"] - data.table["height"]))
    return training.from_positive(yes)


if __name__ == "__main__":
    training.run(
        {
            "mojo_regression": mojo_regression,
            "mojo_binary": mojo_binary,
            "pojo_multiclass": pojo_multiclass,
            "pmml_regression": pmml_regression,
            "pmml_multiclass": pmml_multiclass,
            "own_regression": own_regression,
            "code_binary": code_binary,
        }
    )
