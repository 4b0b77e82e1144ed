"""Labels: equal by text, by number, by case, by truth word, never by accident."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.payloads.labels import match_labels


@pytest.mark.parametrize(
    ("found", "wanted", "names"),
    [
        (("no", "yes"), ("yes", "no"), ("no", "yes")),
        (("0", "1"), ("1.0", "0.0"), ("0.0", "1.0")),
        (("False", "True"), ("1", "0"), ("0", "1")),
        (("YES", "No"), ("yes", "no"), ("yes", "no")),
        (("off", "on"), ("yes", "no"), ("no", "yes")),
        (("F", "t"), ("1", "0"), ("0", "1")),
        (("Blue", "red"), ("red", "blue"), ("blue", "red")),
        (("nan", "x"), ("x", "nan"), ("nan", "x")),
    ],
)
def test_labels_match_after_normalising(
    found: tuple[str, ...], wanted: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert match_labels(found, wanted) == names


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (("yes", "1"), ("yes", "1")),
        (("True", "yes"), ("1", "yes")),
        (("YES", "1.0"), ("yes", "1")),
        (("1", "YES"), ("1", "yes")),
    ],
)
def test_labels_that_collide_are_paired_by_what_is_nearest(
    found: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert match_labels(found, ("1", "yes")) == names


@pytest.mark.parametrize(
    "found", [("foo", "bar"), ("yes",), ("yes", "yes"), ("True", "on"), ("yes", "no", "maybe")]
)
def test_labels_that_differ_do_not_match(found: tuple[str, ...]) -> None:
    assert match_labels(found, ("yes", "1")) is None
