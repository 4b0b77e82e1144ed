"""Which sizes are sent, and that a body of any size is the input's rows again and again."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from datarobot_drum.drum.cli.load_test.cases import (
    MB,
    Wanted,
    check_size,
    make_cases,
    read_data,
    size_label,
)
from datarobot_drum.drum.cli.load_test.load import Closed, Open
from datarobot_drum.drum.errors import InvalidInput, UsageError


@pytest.fixture
def data(tmp_path):
    (tmp_path / "d.csv").write_text('a,b\n007,"x\ny"\n1e5,\n')
    return read_data(str(tmp_path / "d.csv"))


def test_cells_are_sent_as_they_are_written(data):
    assert data.csv(2) == b'a,b\n007,"x\ny"\n1e5,\n'
    assert (data.features, data.rows) == (2, 2)


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 7])
def test_rows_are_repeated_up_to_the_number_wanted(data, samples):
    frame = pd.read_csv(io.BytesIO(data.csv(samples)), dtype=str)
    assert list(frame["a"]) == (["007", "1e5"] * samples)[:samples]


def test_default_cases_are_those_of_the_reference(data):
    cases = make_cases(data, Wanted())
    assert [case.load for case in cases] == [Closed(1, count) for count in (100, 50, 5, 1)]
    assert [case.label for case in cases] == ["8 bytes", "0.1MB", "10MB", "50MB"]
    assert cases[0].samples == 1
    assert len(data.csv(cases[2].samples)) == pytest.approx(10 * MB, rel=0.01)


def test_given_samples_or_iterations_make_one_case(data):
    (case,) = make_cases(data, Wanted(samples=10, iterations=3))
    assert case.title == "75 bytes - 10 samples, 3 iterations"
    (case,) = make_cases(data, Wanted(iterations=3))
    assert case.samples == 2
    (case,) = make_cases(data, Wanted(samples=5, clients=4))
    assert case.title == "38 bytes - 5 samples, 1 iterations, 4 clients"


@pytest.mark.parametrize("samples", [10**12, 10**400])
def test_request_that_cannot_be_built_is_refused(data, samples):
    with pytest.raises(UsageError, match="does not fit into the memory that is free, 1024 MB"):
        check_size(data, samples, 1024 * MB)
    check_size(data, 1000, 1024 * MB)


def test_each_rate_makes_a_case_of_one_row(data):
    cases = make_cases(data, Wanted(rates=(5.0, 10.0)))
    assert [case.load for case in cases] == [Open(5.0, 10), Open(10.0, 10)]
    assert [case.samples for case in cases] == [1, 1]
    assert cases[0].title == "8 bytes - 1 samples, 5 requests/s for 10 s"


def test_duration_alone_is_a_closed_loop_over_time(data):
    (case,) = make_cases(data, Wanted(seconds=3, clients=8))
    assert case.load == Closed(8, seconds=3)
    assert case.title == "8 bytes - 1 samples, 8 clients for 3 s"


def test_other_formats_are_sent_as_csv(tmp_path):
    pd.DataFrame({"a": [1.5, None]}).to_parquet(tmp_path / "d.parquet")
    assert read_data(str(tmp_path / "d.parquet")).csv(2) == b'a\n1.5\n""\n'


@pytest.mark.parametrize(("text", "message"), [("a,b\n", "has no rows"), ("", "No columns")])
def test_input_without_rows_is_refused(tmp_path, text, message):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(InvalidInput, match=message):
        read_data(str(tmp_path / "d.csv"))


@pytest.mark.parametrize(
    ("size", "label"), [(14.6, "15 bytes"), (2048, "2 KB"), (3.5 * MB, "3.5 MB")]
)
def test_sizes_are_told_for_people(size, label):
    assert size_label(size) == label
