"""The types of columns as `typeSchema` counts them."""

from __future__ import annotations

import base64
import sys

import pandas as pd
import pytest

from datarobot_drum.drum.model_folder.column_types import column_types, has_whole_numbers

#: an image of one pixel, and a file that only begins as one
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
BROKEN = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()


@pytest.mark.parametrize("dtype", ["str", "object"])
@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["red", "blue", "red", "green"], "CAT"),
        (["a cat sat", "on the mat", "and then", "it left"], "TXT"),
        (["a cat", "a dog", "a cow", "one"], "TXT"),
        (["a cat", "a dog", "two", "one"], "CAT"),
        (["so far"] * 100, "CAT"),
        ([f"line {n % 60}" for n in range(2000)], "TXT"),
        ([f"line {n % 59}" for n in range(2000)], "CAT"),
        (["a cat", None, None, None], "CAT"),
        ([None, None], "CAT"),
        ([PNG, None], "IMG"),
        ([PNG, "red"], "CAT"),
        (["iVBORw0KGgo!"], "CAT"),
        (["cmVkIGFuZCBibHVl"], "CAT"),
    ],
)
def test_type_of_texts(values, name, dtype):
    assert column_types(pd.DataFrame({"c": pd.Series(values, dtype=dtype)})) == {name}


@pytest.mark.parametrize(("has_pillow", "name"), [(True, "CAT"), (False, "IMG")])
def test_pillow_decides_what_an_image_is_where_it_is_installed(monkeypatch, has_pillow, name):
    if not has_pillow:
        monkeypatch.setitem(sys.modules, "PIL.Image", None)
    assert column_types(pd.DataFrame({"c": [BROKEN]})) == {name}


@pytest.mark.parametrize(
    ("columns", "is_whole"),
    [
        ({"a": [1, 2], "b": [1.0, None]}, True),
        ({"a": [1, 2], "b": [1.5, 2.0]}, False),
        ({"a": ["x", "y"]}, True),
    ],
)
def test_whole_numbers(columns, is_whole):
    assert has_whole_numbers(pd.DataFrame(columns)) is is_whole
