"""Which rows a prediction must match: the client's while serving, the transform's in batch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from datarobot_drum.drum.errors import InvalidOutput
from datarobot_drum.drum.payloads import Payload
from datarobot_drum.drum.predictors import Model

DROPPING = """
def transform(data, model):
    return data[data["a"] > 1]

def score(data, model, **kwargs):
    return data.rename(columns={"a": "Predictions"})
"""


def test_transform_that_drops_rows_is_refused_while_serving(load: Callable[..., Model]) -> None:
    with pytest.raises(InvalidOutput):
        load(DROPPING).predict(Payload(b"a\n1\n2\n", from_request=True))


def test_transform_may_drop_rows_in_batch(load: Callable[..., Model]) -> None:
    predictions = load(DROPPING).predict(Payload(b"a\n1\n2\n"))
    assert predictions.frame["Predictions"].tolist() == [2]
