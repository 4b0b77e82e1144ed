"""Objects of classes that are in memory, and of those that are not."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from datarobot_drum.drum.predictors.objects import is_instance_of, last_step


@pytest.mark.parametrize(
    ("module", "names", "expected"),
    [
        ("sklearn.linear_model", ["LinearRegression"], True),
        ("sklearn.linear_model", ["Ridge", "LinearRegression"], True),
        ("sklearn.linear_model", ["Ridge"], False),
        ("sklearn.linear_model", ["NoSuchClass"], False),
        ("no_such_module", ["LinearRegression"], False),
    ],
)
def test_instance_is_told_by_the_names_of_its_class(module, names, expected):
    assert is_instance_of(LinearRegression(), module, *names) is expected


def test_last_step_is_that_of_a_pipeline_or_the_object_itself():
    model, empty = LinearRegression(), Pipeline([])
    assert last_step(make_pipeline(StandardScaler(), model)) is model
    assert last_step(model) is model
    assert last_step(empty) is empty
