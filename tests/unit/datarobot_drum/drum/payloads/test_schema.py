"""What a model may answer: columns, labels, numbers, rows."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import InvalidOutput
from datarobot_drum.drum.payloads import (
    OutputRules,
    as_numbers,
    check_predictions,
    check_row_count,
    split_extra,
)

REGRESSION = OutputRules(TargetType.REGRESSION)
BINARY = OutputRules(TargetType.BINARY, positive_label="yes", negative_label="no")
LEGACY = OutputRules(TargetType.BINARY, labels=("yes", "no"), legacy_label_order=True)
MULTICLASS = OutputRules(TargetType.MULTICLASS, labels=("a", "b", "c"))
MULTILABEL = OutputRules(TargetType.MULTILABEL, labels=("a", "b"))
TEXT = OutputRules(TargetType.TEXT_GENERATION, target_name='"answer"')
GEOPOINT = OutputRules(TargetType.GEO_POINT, target_name="ignored")


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("answer", "rules", "names", "extra_names"),
    [
        (frame(whatever=[1]), REGRESSION, ["whatever"], None),
        (frame(x=[1], Predictions=[2], y=[3]), REGRESSION, ["Predictions"], ["x", "y"]),
        (frame(yes=[0.2], no=[0.8]), BINARY, ["yes", "no"], None),
        (frame(YES=[0.2], No=[0.8]), BINARY, ["YES", "No"], None),
        (frame(why=["z"], no=[0.8], k=[1], yes=[0.2]), BINARY, ["no", "yes"], ["why", "k"]),
        (frame(answer=["x"], n=[1]), TEXT, ["answer"], ["n"]),
        (frame(**{'"answer"': ["x"], "answer": [1]}), TEXT, ['"answer"'], ["answer"]),
        (frame(Predictions=["P"], ignored=[1]), GEOPOINT, ["Predictions"], ["ignored"]),
        (
            frame(Predictions=["P"], n=[1]),
            OutputRules(TargetType.VECTOR_DATABASE),
            ["Predictions"],
            ["n"],
        ),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), MULTILABEL, ["a", "a"], None),
    ],
)
def test_extra_output_is_what_is_not_wanted(
    answer: pd.DataFrame, rules: OutputRules, names: list[str], extra_names: list[str] | None
) -> None:
    predictions, extra = split_extra(answer, rules)
    assert list(predictions.columns) == names
    assert (extra is None) == (extra_names is None)
    assert extra is None or list(extra.columns) == extra_names


def test_extra_output_is_counted_from_zero() -> None:
    answer = pd.DataFrame({"Predictions": [1, 2], "why": ["x", "y"]}, index=[10, 20])
    _, extra = split_extra(answer, REGRESSION)
    assert extra is not None
    assert_frame_equal(extra, frame(why=["x", "y"]))


def test_repeated_prediction_column_is_left_to_the_check() -> None:
    answer = pd.DataFrame([[1, 2]], columns=["Predictions", "Predictions"])
    assert split_extra(answer, REGRESSION) == (answer, None)


@pytest.mark.parametrize(
    ("answer", "rules", "wanted"),
    [
        (frame(p=[1], q=[2]), REGRESSION, "['Predictions'] among ['p', 'q']"),
        (frame(p=[1], q=[2]), TEXT, "['answer'] among ['p', 'q']"),
        (frame(yes=[1], q=[2], r=[3]), BINARY, "['no'] among ['yes', 'q', 'r']"),
    ],
)
def test_extra_output_without_the_predictions_names_what_is_missing(
    answer: pd.DataFrame, rules: OutputRules, wanted: str
) -> None:
    with pytest.raises(InvalidOutput) as refused:
        split_extra(answer, rules)
    assert wanted in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        np.array([1.5, 2.5]),
        np.array([[1.5], [2.5]]),
        frame(Predictions=[1.5, 2.5]),
        pd.DataFrame({"other": [1.5, 2.5]}, index=[3, 4]),
        pd.DataFrame({"Predictions": [1.5, 2.5]}, index=[3, 4]),
        frame(text=["1.5", "2.5"]),
        frame(text=pd.Categorical(["1.5", "2.5"])),
        frame(mixed=pd.Series([1.5, "2.5"], dtype=object)),
    ],
)
def test_regression_answer_becomes_the_predictions_column(answer: Any) -> None:
    checked = check_predictions(answer, None, REGRESSION)
    assert_frame_equal(checked, frame(Predictions=[1.5, 2.5]))


@pytest.mark.parametrize("values", [[1, 2], [True, False], pd.array([1, 2], dtype="Int64")])
def test_numbers_keep_their_type(values: Any) -> None:
    answer = frame(Predictions=values)
    assert_frame_equal(as_numbers(answer), answer)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "abc"], "could not convert string to float: 'abc'"),
        (["x" * 999], "could not convert string to float: 'xxx"),
        ([pd.Timestamp("2024-01-02")], "must be a string or a real number"),
        ([1j], "must be real numbers"),
        (pd.Series([[1]], dtype=object), "setting an array element with a sequence"),
    ],
)
def test_answer_without_numbers_is_refused_for_a_numeric_target(values: Any, message: str) -> None:
    with pytest.raises(InvalidOutput) as refused:
        check_predictions(frame(p=values), None, REGRESSION)
    assert message in str(refused.value)
    assert len(str(refused.value)) <= 200


@pytest.mark.parametrize(
    "values", [[1.0, np.nan, np.inf], pd.array([1, None, None], dtype="Int64"), ["1", None, "inf"]]
)
def test_numbers_that_are_not_finite_pass_with_one_warning(
    values: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(check_predictions(frame(p=values), None, REGRESSION)) == 3
    assert caplog.messages == ["2 of 3 predictions are NaN or infinite"]


def test_empty_answer_passes_the_check() -> None:
    assert check_predictions(frame(p=[]), None, REGRESSION).shape == (0, 1)


@pytest.mark.parametrize("rules", [REGRESSION, TEXT, GEOPOINT])
def test_answer_with_two_columns_is_refused_for_one_column_targets(rules: OutputRules) -> None:
    with pytest.raises(InvalidOutput) as refused:
        check_predictions(np.zeros((1, 2)), None, rules)
    assert str(refused.value) == (
        "Regression, Text Generation, Agentic Workflow and anomaly predictions must contain only "
        "1 column. Your predictions have 2 columns"
    )


@pytest.mark.parametrize("shape", [(), (1, 1, 1)])
def test_answer_of_another_dimension_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidOutput, match=f"we received a {len(shape)} dimensional array"):
        check_predictions(np.zeros(shape), None, REGRESSION)


def test_text_answer_keeps_any_value() -> None:
    answer = frame(x=pd.Series(["a", None, {"k": [1]}], dtype=object))
    checked = check_predictions(answer, None, TEXT)
    assert list(checked.columns) == ["Predictions"]
    assert checked["Predictions"].tolist() == ["a", None, {"k": [1]}]


@pytest.mark.parametrize(
    ("answer", "model_labels", "rules", "expected"),
    [
        (frame(no=[0.8], yes=[0.2]), None, BINARY, {"no": 0.8, "yes": 0.2}),
        (frame(YES=[0.2], NO=[0.8]), ["YES", "NO"], BINARY, {"yes": 0.2, "no": 0.8}),
        (frame(x=[0.8], y=[0.2]), ["no", "yes"], BINARY, {"no": 0.8, "yes": 0.2}),
        (np.array([[0.8, 0.2]]), np.array(["no", "yes"]), BINARY, {"no": 0.8, "yes": 0.2}),
        (np.array([[0.8, 0.2]]), np.array([0, 1]), BINARY, {"no": 0.8, "yes": 0.2}),
        (np.array([[0.8, 0.2]]), None, BINARY, {"no": 0.8, "yes": 0.2}),
        (np.array([[0.8, 0.2]]), None, LEGACY, {"yes": 0.8, "no": 0.2}),
        (np.array([0.2]), None, BINARY, {"no": 0.8, "yes": 0.2}),
        (np.array([0.2]), None, LEGACY, {"yes": 0.8, "no": 0.2}),
        (np.array([0.2], dtype=object), None, BINARY, {"no": 0.8, "yes": 0.2}),
        (np.array([[0.5, 0.3, 0.2]]), None, MULTICLASS, {"a": 0.5, "b": 0.3, "c": 0.2}),
        (np.array([[0.9, 0.9]]), None, MULTILABEL, {"a": 0.9, "b": 0.9}),
        (frame(no=[1], yes=[0]), None, BINARY, {"no": 1, "yes": 0}),
        (frame(no=[True], yes=[False]), None, BINARY, {"no": True, "yes": False}),
        (
            frame(no=pd.Series([0.5], dtype=object), yes=pd.array([0.5], dtype="Float64")),
            None,
            BINARY,
            {"no": 0.5, "yes": 0.5},
        ),
    ],
)
def test_classification_answer_gets_the_requested_labels_in_the_models_order(
    answer: Any, model_labels: Any, rules: OutputRules, expected: dict[str, float]
) -> None:
    checked = check_predictions(answer, model_labels, rules)
    assert list(checked.columns) == list(expected)
    assert checked.iloc[0].tolist() == pytest.approx(list(expected.values()))
    assert list(checked.index) == [0]


@pytest.mark.parametrize(
    ("answer", "model_labels", "rules", "message"),
    [
        (
            frame(foo=[0.5], bar=[0.5]),
            ["foo", "bar"],
            BINARY,
            (
                "Expected predictions to have columns ['yes', 'no'], but encountered "
                "Index(['foo', 'bar'], dtype='str')"
            ),
        ),
        (
            frame(Predictions=[0.5]),
            None,
            BINARY,
            (
                "Expected predictions to have columns ['yes', 'no'], but encountered "
                "Index(['Predictions'], dtype='str')"
            ),
        ),
        (
            np.array([[0.5, 0.5]]),
            np.array(["a", "b"]),
            MULTICLASS,
            "Expected predictions to have columns ['a', 'b', 'c'], but encountered ['a', 'b']",
        ),
        (
            frame(x=[0.5]),
            [1, 2],
            BINARY,
            "Expected predictions to have columns ['yes', 'no'], but encountered [1, 2]",
        ),
        (
            np.array([0.5]),
            None,
            MULTICLASS,
            (
                "Only one dimension of probability returned, but there are 3 class labels "
                "in this model"
            ),
        ),
        (
            np.array([[0.5, 0.5]]),
            None,
            MULTICLASS,
            (
                "Your predictions must return the probability distribution for the correct "
                "number of class labels. Expected 3 columns, but received 2"
            ),
        ),
        (
            np.array([0.5]),
            None,
            MULTILABEL,
            (
                "Your predictions must return the probability distribution for the correct "
                "number of class labels. Expected 2 columns, but received 1"
            ),
        ),
        (
            np.array([[-0.5, 1.5]]),
            None,
            BINARY,
            "Your prediction probabilities have negative values",
        ),
        (
            np.array([[0, 1.5]]),
            None,
            BINARY,
            "Your prediction probabilities have values greater than 1",
        ),
        (
            np.array([[0.25, 0.35], [0.5, 0.5], [0.9, 1.0]]),
            None,
            BINARY,
            "Your prediction probabilities do not add up to 1. \n[[0.25 0.35]\n [0.9  1.  ]]",
        ),
        (
            np.array([[np.nan, np.nan]]),
            None,
            BINARY,
            "Your prediction probabilities do not add up to 1. \n[[nan nan]]",
        ),
        (
            frame(yes=["0.5"], no=["0.5"]),
            None,
            BINARY,
            "prediction probabilities must be numbers, but column 'yes' holds text",
        ),
    ],
)
def test_classification_answer_that_breaks_a_rule_is_refused(
    answer: Any, model_labels: Any, rules: OutputRules, message: str
) -> None:
    with pytest.raises(InvalidOutput) as refused:
        check_predictions(answer, model_labels, rules)
    assert str(refused.value) == message


def test_probabilities_may_miss_one_by_rounding() -> None:
    check_predictions(np.array([[0.25, 0.7500001]]), None, BINARY)


def test_multilabel_answer_with_nan_passes_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    check_predictions(np.array([[np.nan, 0.5]]), None, MULTILABEL)
    assert caplog.messages == ["1 of 2 predictions are NaN or infinite"]


def test_checked_frame_is_the_models_own_when_nothing_had_to_change() -> None:
    answer = frame(yes=[0.2], no=[0.8])
    assert check_predictions(answer, None, BINARY) is answer


def test_check_leaves_the_models_frame_as_it_was() -> None:
    answer = pd.DataFrame({"other": [1.0]}, index=[5])
    before = answer.copy()
    checked = check_predictions(answer, None, REGRESSION)
    checked.iloc[0, 0] = 2.0
    assert_frame_equal(answer, before)


def test_row_count_must_agree() -> None:
    check_row_count(2, 2, REGRESSION)
    with pytest.raises(InvalidOutput, match="returned 1 predictions for 2 input rows"):
        check_row_count(2, 1, REGRESSION)


def test_row_count_may_differ_where_the_rules_allow_it() -> None:
    check_row_count(2, 1, OutputRules(TargetType.REGRESSION, check_row_count=False))
