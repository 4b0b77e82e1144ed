"""Headers and query parameters as hooks see them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datarobot_drum.drum.root_predictors.values import Headers, QueryParameters


def test_headers_are_found_in_any_case_and_listed_in_title_case() -> None:
    headers = Headers([("x-my-thing", "1"), ("HOST", "h")])
    assert headers["X-MY-THING"] == headers["x-my-thing"] == "1"
    assert dict(headers) == {"X-My-Thing": "1", "Host": "h"}
    assert len(headers) == 2


def test_headers_that_are_missing_are_a_key_error_or_the_default() -> None:
    headers = Headers([])
    assert headers.get("a") is None
    assert "a" not in headers
    assert headers.getlist("a") == []
    with pytest.raises(KeyError):
        _ = headers["a"]


def test_headers_that_repeat_are_joined_in_order() -> None:
    headers = Headers([("A", "1"), ("b", "x"), ("a", "2")])
    assert headers["a"] == "1,2"
    assert headers.getlist("A") == ["1", "2"]


def test_headers_with_an_underscore_are_left_out() -> None:
    headers = Headers([("x_user", "forged"), ("x-user", "real")])
    assert dict(headers) == {"X-User": "real"}


def test_headers_give_away_copies_of_their_lists() -> None:
    headers = Headers([("a", "1")])
    headers.getlist("a").append("2")
    assert headers["a"] == "1"


def test_query_is_a_dict_of_first_values_that_knows_the_others() -> None:
    query = QueryParameters("k=1&b=&k=2")
    assert query == {"k": "1", "b": ""}
    assert query.getlist("k") == ["1", "2"]
    assert query.getlist("none") == []
    assert dict(query.lists()) == {"k": ["1", "2"], "b": [""]}


def test_query_becomes_a_plain_dict_of_values_or_lists() -> None:
    query = QueryParameters("k=1&k=2")
    assert query.to_dict() == {"k": "1"}
    assert query.to_dict(flat=False) == {"k": ["1", "2"]}
    assert type(query.to_dict()) is dict


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=x+y%20z", {"a": "x y z"}),
        ("a;b=1", {"a;b": "1"}),
        ("%ff=%C3%A9", {"\ufffd": "é"}),
        ("&&a=1&", {"a": "1"}),
    ],
)
def test_query_is_decoded_as_a_form(text: str, expected: dict[str, str]) -> None:
    assert QueryParameters(text) == expected


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=30))
def test_query_of_any_text_can_be_read(text: str) -> None:
    query = QueryParameters(text)
    assert all(query.getlist(name)[0] == value for name, value in query.items())
