"""Variants of a table, differences of answers, and the texts of the report."""

from __future__ import annotations

import json
import pickle

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from datarobot_drum.drum.cli.model_checks import report
from datarobot_drum.drum.cli.model_checks.differences import difference
from datarobot_drum.drum.cli.model_checks.plan import NULL, Failure, Result
from datarobot_drum.drum.cli.model_checks.supervisor import last_line
from datarobot_drum.drum.cli.model_checks.trials import Session, run_trial
from datarobot_drum.drum.cli.model_checks.variants import (
    SAMPLE_ROWS,
    read_columns,
    read_sample,
    rows_for_a_column,
)
from datarobot_drum.drum.cli.model_checks.verdict import Setup, Status, Trial
from datarobot_drum.drum.settings import ModelSpec


@pytest.fixture
def path(tmp_path):
    (tmp_path / "d.csv").write_text('a,b\n007,"x, y"\n1e5,\nNA,"""q"""\n')
    return str(tmp_path / "d.csv")


def test_cells_of_a_csv_file_stay_as_they_are_written(path):
    table = read_sample(path)
    assert table.encoded() == b'a,b\n007,"x, y"\n1e5,\nNA,"""q"""\n'
    assert table.without_values(0).encoded() == b'a,b\n,"x, y"\n,\n,"""q"""\n'
    assert table.with_columns_reversed().rows(0, 1).encoded() == b'b,a\n"x, y",007\n'
    assert table.columns == ("a", "b")


def test_shuffled_rows_are_others_and_their_places_are_told(path):
    table = read_sample(path)
    shuffled, order = table.shuffled()
    assert list(order) != [0, 1, 2]
    assert list(shuffled.frame["a"]) == list(table.frame["a"].iloc[order])


def test_typed_table_has_missing_numbers_in_an_emptied_column(path):
    table = read_sample(path, as_text=False).without_values(1)
    assert table.frame["b"].isna().all()
    assert read_sample(path, as_text=False).frame["b"].notna().any()


@pytest.mark.parametrize(
    ("columns", "rows"), [(0, SAMPLE_ROWS), (1, SAMPLE_ROWS), (2000, 100), (10**6, 50)]
)
def test_wide_tables_are_tried_with_fewer_rows(columns, rows):
    assert rows_for_a_column(columns) == rows


def test_columns_are_read_from_the_header(path, tmp_path):
    assert read_columns(path) == ("a", "b")
    pd.DataFrame({"x": [1]}).to_json(tmp_path / "d.json", orient="records")
    assert read_columns(str(tmp_path / "d.json")) == ("x",)


FRAME = pd.DataFrame({"p": [0.1, float("nan"), 0.3], "t": ["a", "b", None]})


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (FRAME, None),
        (FRAME[["t", "p"]], None),
        (FRAME.assign(p=[0.1000000001, float("nan"), 0.3]), None),
        (FRAME.assign(p=[0.1, 0.2, 0.3]), "1 of 3 rows differ, first row 2"),
        (FRAME.assign(t=["a", "c", "d"]), "2 of 3 rows differ, first row 2"),
        (FRAME.head(2), "2 rows came back where 3 were expected"),
        (FRAME[["p"]], "the columns are ['p'], they were ['p', 't']"),
    ],
)
def test_difference_is_told_in_words(answer, told):
    assert difference(answer, FRAME) == told


def test_model_of_an_artifact_alone_is_tried_by_its_tables(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    artifact = pickle.dumps(LinearRegression().fit(frame, [1.0, 2.0, 3.0]))
    (tmp_path / "m.pkl").write_bytes(artifact)
    (tmp_path / "d.csv").write_text("a\n1\n2\n3\n")
    spec = ModelSpec(str(tmp_path), target_type="regression")
    session = Session(Setup(spec, str(tmp_path / "d.csv")))
    assert session.takes_tables
    found = {name: run_trial(session, Trial(name)).status.value for name in ("basic", "row_order")}
    assert found == {"basic": "PASSED", "row_order": "PASSED"}
    failed = run_trial(session, Trial("null"))
    assert failed.status is Status.FAILED and "contains NaN" in failed.message
    session.close()


def test_error_is_shown_by_its_last_line_cut_to_fit():
    assert report.short("first\nValueError: b\\nc\n\n") == "ValueError: b c"
    assert report.short("") == ""
    assert len(report.short("x" * 1000)) == report.MESSAGE_LENGTH


def test_many_failed_columns_are_counted_in_the_table_and_listed_in_json(tmp_path):
    failures = tuple(Failure(f"c{number}", "no") for number in range(50))
    results = [Result(NULL, Status.FAILED, failures=failures, columns=50, columns_tried=50)]
    assert "and 30 features more; --output FILE" in report.table(results, None)
    setup = Setup(ModelSpec(str(tmp_path)), "d.csv")
    told = json.loads(json.dumps(report.as_json(results, setup)))
    assert (told["passed"], len(told["checks"][0]["failures"])) == (False, 50)


@pytest.mark.parametrize("width", [40, 80, 110, 200])
def test_table_of_columns_fits_into_the_details(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    failures = (Failure("mean radius", "no " * 60, "/tmp/drum/null_value_imputation_column0.csv"),)
    lines = report.table([Result(NULL, Status.FAILED, failures=failures)], "/tmp/drum").splitlines()
    assert max(map(len, lines)) <= max(80, width)
    assert len([line for line in lines if line.strip() and set(line.strip()) == {"="}]) == 2


def test_last_line_is_that_which_a_person_would_read(tmp_path):
    file = tmp_path / "said"
    assert last_line(file) == ""
    file.write_bytes(b"")
    assert last_line(file) == ""
    file.write_bytes(b"x" * 20_000 + b"\nMemoryError: \x1b\xff\n\n")
    assert last_line(file) == "MemoryError: \ufffd"
