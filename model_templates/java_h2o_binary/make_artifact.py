"""Train the example model on an H2O cluster of one and write `model.zip`, a MOJO."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h2o
import pandas as pd
from h2o.estimators import H2OGradientBoostingEstimator
from sklearn.datasets import load_breast_cancer

FEATURES = ["mean radius", "mean texture", "mean smoothness", "mean concavity"]
HERE = Path(__file__).resolve().parent

data = load_breast_cancer(as_frame=True)
diagnosis = pd.Series(data.target).map({0: "malignant", 1: "benign"})
h2o.init(nthreads=1, max_mem_size="1g", ice_root=tempfile.mkdtemp(), verbose=False)
try:
    frame = h2o.H2OFrame(data.data[FEATURES].assign(diagnosis=diagnosis))
    frame["diagnosis"] = frame["diagnosis"].asfactor()
    model = H2OGradientBoostingEstimator(ntrees=20, max_depth=3, seed=1)
    model.train(x=FEATURES, y="diagnosis", training_frame=frame)
    Path(model.download_mojo(str(HERE))).rename(HERE / "model.zip")
finally:
    h2o.cluster().shutdown()
