"""The rules of `typeSchema` as they are written."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import Requirement, TypeSchema
from datarobot_drum.drum.model_folder.type_schema import parse_type_schema


def parse(side="input", **rule):
    return parse_type_schema({f"{side}_requirements": [rule]})


def test_rules_of_both_sides_are_read():
    rule = {"field": "number_of_columns", "condition": "NOT_IN", "value": ["0", "3"]}
    schema = parse_type_schema({"input_requirements": "", "output_requirements": [rule]})
    expected = Requirement("number_of_columns", "NOT_IN", (0, 3))
    assert schema == TypeSchema((), (expected,))


def test_rule_with_one_value_needs_no_list():
    (rule,) = parse(field="data_types", condition="IN", value="NUM").input_requirements
    assert rule.values == ("NUM",)
    assert str(rule) == "IN NUM"


def test_rule_with_many_values_is_written_as_a_list():
    assert str(Requirement("data_types", "IN", ("NUM", "CAT"))) == "IN ['NUM', 'CAT']"


@pytest.mark.parametrize(
    ("condition", "values", "right", "wrong"),
    [
        ("EQUALS", (2,), 2, 3),
        ("NOT_EQUALS", (2,), 3, 2),
        ("IN", (1, 2), 2, 3),
        ("NOT_IN", (1, 2), 3, 2),
        ("GREATER_THAN", (2,), 3, 2),
        ("LESS_THAN", (2,), 1, 2),
        ("NOT_GREATER_THAN", (2,), 2, 3),
        ("NOT_LESS_THAN", (2,), 2, 1),
    ],
)
def test_condition_accepts_a_number(condition, values, right, wrong):
    rule = Requirement("number_of_columns", condition, values)
    assert rule.accepts_number(right)
    assert not rule.accepts_number(wrong)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (("colour", "EQUALS", "2"), "field is 'colour'; use one of data_types, sparse, number_of"),
        (("sparse", "GREATER_THAN", "REQUIRED"), "condition of sparse is 'GREATER_THAN'"),
        (("sparse", "EQUALS", "NEVER"), "value of sparse is 'NEVER'; use one of FORBIDDEN"),
        (("data_types", "EQUALS", ["NUM", "CAT"]), "EQUALS only accepts a single value for: "),
        (("data_types", "IN", []), "value of data_types is missing"),
        (("number_of_columns", "EQUALS", "two"), "'two'; use whole numbers"),
        (("number_of_columns", "EQUALS", {}), "use whole numbers"),
        (("number_of_columns", "EQUALS", "-1"), "is -1; use 0 or more"),
        (("number_of_columns", "EQUALS", "0"), "0 columns are possible only with NOT_IN"),
    ],
)
def test_bad_rule_is_told(rule, message):
    field, condition, value = rule
    with pytest.raises(DrumError, match=message):
        parse(field=field, condition=condition, value=value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("text", "must be a mapping"),
        ({"requirements": []}, "unknown keys: requirements"),
        ({"input_requirements": "text"}, "input_requirements must be a list"),
        ({"input_requirements": ["text"]}, "must have field, condition and value"),
        ({"input_requirements": [{"field": "sparse"}]}, "must have field, condition and value"),
    ],
)
def test_bad_section_is_told(raw, message):
    with pytest.raises(DrumError, match=f"^model-metadata.yaml: typeSchema: .*{message}"):
        parse_type_schema(raw)
