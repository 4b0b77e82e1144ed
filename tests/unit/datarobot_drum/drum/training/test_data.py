"""Which columns and rows training gets."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.training import FitJob
from datarobot_drum.drum.training.data import TrainingData, read_training_data


def read(job: FitJob) -> Any:
    """The data, without a thought for which parts may be None."""
    return read_training_data(job)


MATRIX = "%%MatrixMarket matrix coordinate real general\n3 3 3\n1 1 1\n2 2 2\n3 3 3\n"


def test_target_and_weights_are_taken_out_of_the_features(job):
    data = read(replace(job, row_weights="w"))
    assert list(data.features.columns) == ["a", "b"]
    assert (data.target.name, data.weights.name) == ("y", "w")


def test_target_and_weights_may_be_in_files_of_their_own(job, tmp_path):
    (tmp_path / "y.csv").write_text("t,ignored\n" + "1,x\n" * 30)
    (tmp_path / "w.csv").write_text("v\n" + "2\n" * 30)
    files = {"target_csv": str(tmp_path / "y.csv"), "row_weights_csv": str(tmp_path / "w.csv")}
    data = read(replace(job, target=None, **files))
    assert list(data.features.columns) == ["a", "b", "w", "y"]
    assert (data.target.name, data.target.sum(), data.weights.sum()) == ("t", 30, 60)


def test_without_a_target_there_is_none(job):
    data = read(replace(job, target=None))
    assert (data.target, data.weights) == (None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "zz"}, "The column 'zz' does not exist in your dataframe. .*'a', 'b', 'w'"),
        ({"row_weights": "y"}, "column 'y' cannot be both target and row weights"),
        ({"target": None, "target_csv": "short.csv"}, "--target-csv has 2 rows and the training"),
        ({"row_weights_csv": "short.csv"}, "--row-weights-csv has 2 rows and the training data"),
        ({"input": "header.csv"}, "the training data has no rows"),
    ],
)
def test_data_that_do_not_fit_are_refused(job, tmp_path, changes, message):
    (tmp_path / "short.csv").write_text("y\n1\n2\n")
    (tmp_path / "header.csv").write_text("a,y\n")
    files = {
        name: str(tmp_path / value) if str(value).endswith(".csv") else value
        for name, value in changes.items()
    }
    with pytest.raises(DrumError, match=message):
        read(replace(job, **files))


def test_sparse_data_have_the_names_of_their_file_which_stays_as_it_is(job, tmp_path):
    (tmp_path / "x.mtx").write_text(MATRIX)
    names = tmp_path / "x.columns"
    names.write_text("p\nq\nr\n")
    files = {"input": str(tmp_path / "x.mtx"), "sparse_column_file": str(names)}
    data = read(replace(job, target="q", row_weights="r", **files))
    assert list(data.features.columns) == ["p"]
    assert (list(data.target), list(data.weights)) == ([0, 2, 0], [0, 0, 3])
    assert not isinstance(data.target.dtype, pd.SparseDtype)
    assert names.read_text() == "p\nq\nr\n"


def test_target_named_twice_is_refused(job, tmp_path):
    (tmp_path / "x.mtx").write_text(MATRIX)
    (tmp_path / "x.columns").write_text("p\nq\nq\n")
    files = {"input": str(tmp_path / "x.mtx"), "sparse_column_file": str(tmp_path / "x.columns")}
    with pytest.raises(DrumError, match="the data have 2 columns 'q'"):
        read(replace(job, target="q", **files))


def test_target_file_may_be_sparse(job, tmp_path):
    (tmp_path / "y.mtx").write_text(
        "%%MatrixMarket matrix coordinate real general\n30 1 1\n1 1 5\n"
    )
    data = read(replace(job, target=None, target_csv=str(tmp_path / "y.mtx")))
    assert (data.target.sum(), str(data.target.dtype)) == (5, "float64")


def test_data_from_a_pipe_are_read(job, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_text, args=("a,y\n1,2\n",))
    thread.start()
    data = read(replace(job, input=str(path)))
    thread.join()
    assert list(data.target) == [2]


def test_sample_is_the_same_each_time_in_all_parts():
    numbers = pd.Series(range(50))
    data: Any = TrainingData(numbers.to_frame("a"), numbers, numbers).sampled(7)
    again = TrainingData(numbers.to_frame("a")).sampled(7)
    assert list(data.features["a"]) == list(data.target) == list(data.weights)
    assert list(again.features["a"]) == list(data.features["a"])
    assert (len(data.target), again.target) == (7, None)


def test_all_rows_are_kept_without_a_number():
    data = TrainingData(pd.DataFrame({"a": [1, 2]}))
    assert data.sampled(None) is data


def test_sample_cannot_be_larger_than_the_data():
    with pytest.raises(DrumError, match="Requested number of rows greater than data length 3 > 2"):
        TrainingData(pd.DataFrame({"a": [1, 2]})).sampled(3)
