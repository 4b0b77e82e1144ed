"""What peers are asked, and how their answers are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paths import FORMS, PEERS
from peer_environments import requirements
from peers import STARTS, body_of, predictions_in


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("num,word\n1.5,red\n,blue\n")
    return path


def test_every_peer_can_be_installed_and_started():
    assert set(STARTS) == set(PEERS)
    for name in PEERS:
        assert "==" in requirements(name)[0]


def test_missing_number_is_null_in_every_form(csv):
    for form in FORMS:
        assert "NaN" not in json.dumps(body_of(form, csv))


def test_forms_hold_the_same_table(csv):
    bodies: list[Any] = [body_of(form, csv) for form in FORMS]
    split, records, columns = bodies
    assert split == {
        "dataframe_split": {"columns": ["num", "word"], "data": [[1.5, "red"], [None, "blue"]]}
    }
    assert records == {"df": [{"num": 1.5, "word": "red"}, {"num": None, "word": "blue"}]}
    assert [column["data"] for column in columns["inputs"]] == [[1.5, None], ["red", "blue"]]


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("csv", b'{"predictions":[1.0,2.5]}'),
        ("split", b'{"predictions": [1, 2.5]}'),
        ("bento", b"[1.0, 2.5]"),
        ("v2", b'{"outputs": [{"name": "predict", "data": [1.0, 2.5]}]}'),
    ],
)
def test_predictions_are_found_in_every_form(form, answer):
    assert predictions_in(form, answer) == [1.0, 2.5]


@pytest.mark.parametrize("answer", [b"", b"[", b"{}", b'{"outputs": []}', b'{"predictions": {}'])
def test_answer_without_predictions_is_an_error(answer):
    with pytest.raises(ValueError, match=r"no predictions|Expecting"):
        predictions_in("v2", answer)
