"""Trains the R cases, by train.R, which also predicts with them."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tests.frameworks import training

SCRIPT = Path(__file__).with_name("train.R")

CASES = (
    "lm_regression",
    "glm_binary",
    "rpart_multiclass",
    "odd_labels_multiclass",
    "lda_multiclass",
    "anomaly",
    "hooks_regression",
)


def train(name: str, folder: Path, data: training.Data) -> pd.DataFrame:
    """Let R train and predict."""
    given, expected = folder.with_name("training.csv"), folder.with_name("by_r.csv")
    # not separable, so that a regression on it has an end
    flag = np.where(np.arange(len(data.table)) % 5 == 0, 1 - data.flag, data.flag)
    columns = {
        "number": data.number,
        "flag": np.array(["no", "yes"])[flag],
        "class": np.array(["a", "b", "c"])[data.classes],
    }
    data.table.assign(**columns).to_csv(given, index=False)
    subprocess.run(
        ["Rscript", SCRIPT, name, folder, given, expected], check=True, stdout=sys.stderr
    )
    return pd.read_csv(expected)


if __name__ == "__main__":
    training.run({name: partial(train, name) for name in CASES})
