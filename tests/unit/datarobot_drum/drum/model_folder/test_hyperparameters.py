"""The rules and defaults of hyperparameters."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder.hyperparameters import parse_hyperparameters


def default(**raw):
    (parameter,) = parse_hyperparameters([{"name": "x", **raw}])
    return parameter.default


def test_int_defaults_to_its_minimum():
    assert default(type="int", min="1", max="3") == 1
    assert default(type="int", min="1", max="3", default="2") == 2


def test_float_is_converted():
    assert default(type="float", min="0.5", max="1e3") == 0.5


def test_string_defaults_to_empty_text():
    assert default(type="string") == ""
    assert default(type="string", default="a") == "a"


def test_select_defaults_to_its_first_value():
    assert default(type="select", values=["A", "B"]) == "A"
    assert default(type="select", values=["A", "B"], default="C") == "C"


def test_multi_defaults_to_its_first_member_by_name():
    values = {"select": {"values": ["q"]}, "int": {"min": "3", "max": "5"}}
    assert default(type="multi", values=values) == 3


@pytest.mark.parametrize(("text", "expected"), [("4", 4), ("4.5", 4.5), ("q", "q")])
def test_multi_default_has_the_first_type_that_holds_it(text, expected):
    bounds = {"min": "0", "max": "9"}
    values = {"select": {"values": ["q"]}, "int": bounds, "float": bounds}
    assert default(type="multi", values=values, default=text) == expected


def test_multi_default_without_numbers_is_text():
    values = {"select": {"values": ["4", "5"]}}
    assert default(type="multi", values=values, default="4") == "4"


@pytest.mark.parametrize("name", ["a1", "_a", "a_", "", "ä", "a b"])
def test_name_has_letters_with_underscores_between(name):
    with pytest.raises(DrumError, match=f"^Invalid param name: {name}. Only Eng characters"):
        parse_hyperparameters([{"name": name, "type": "string"}])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"name": "a" * 65, "type": "string"}, "At most 64 characters"),
        ({"name": "x", "type": "date"}, "Invalid type 'date' of param x: use one of int, float"),
        ({"type": "int"}, "each must be a mapping with a text 'name'"),
        ("x", "each must be a mapping"),
    ],
)
def test_item_must_have_a_name_and_a_known_type(raw, message):
    with pytest.raises(DrumError, match=message):
        parse_hyperparameters([raw])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"type": "int", "min": "3", "max": "3"}, "int parameter x: max must be greater than min"),
        ({"type": "int", "max": "3"}, "int parameter x: 'min' is missing"),
        ({"type": "int", "min": "1.5", "max": "3"}, "'min' must be a whole number"),
        ({"type": "float", "min": "0", "max": "inf"}, "'max' must be a number"),
        ({"type": "float", "min": ["0"], "max": "1"}, "'min' must be a number"),
        ({"type": "int", "min": "1", "max": "3", "default": "4"}, "default must be from 1 to 3"),
        ({"type": "string", "default": "a" * 1025}, "at most 1024 characters"),
        ({"type": "select", "values": []}, "a list of 1 to 24 texts"),
        ({"type": "select", "values": ["a"] * 25}, "a list of 1 to 24 texts"),
        ({"type": "select", "values": ["a" * 1025]}, "at most 1024 characters"),
        ({"type": "multi", "values": {"date": {}}}, "any of float, int, select"),
        ({"type": "multi", "values": {"int": "3"}}, "each of values must be a mapping"),
    ],
)
def test_values_must_fit_the_type(raw, message):
    with pytest.raises(DrumError, match=message):
        default(**raw)


def test_names_must_differ():
    item = {"name": "x", "type": "string"}
    with pytest.raises(DrumError, match="duplicate names x"):
        parse_hyperparameters([item, item])


def test_section_must_be_a_list():
    with pytest.raises(DrumError, match="'hyperparameters' must be a list"):
        parse_hyperparameters({"name": "x"})
