"""Tables against the rules of `typeSchema`."""

from __future__ import annotations

import pandas as pd
import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import SchemaViolation
from datarobot_drum.drum.model_folder import (
    DEFAULT_TRANSFORM_SCHEMA,
    Requirement,
    TypeSchema,
    check_input,
    check_output,
    check_schema_target,
)

#: an image of one pixel
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
WRONG_COUNT = (
    "Incorrect number of columns. 2 received. However, the schema dictates that number "
    "of columns should be EQUALS 1"
)
COLUMNS = {
    "NUM": [0.5, 1.5],
    "WHOLE": [1, 2],
    "BOOL": [True, False],
    "CAT": ["a", None],
    "TXT": ["a long text with words", "another one"],
    "IMG": [PNG, PNG],
    "DATE": pd.to_datetime(["2030-01-01", "2030-01-02"]),
    "OBJECT": pd.Series([[1], "a"], dtype="object"),
    "EMPTY": pd.Series([None, None], dtype="object"),
}


def table(*names):
    return pd.DataFrame({name: COLUMNS[name] for name in names})


def sparse():
    return pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.0], fill_value=0.0)})


def rule(field, condition, *values):
    return Requirement(field, condition, values)


@pytest.mark.parametrize(
    ("frame", "requirement"),
    [
        (table("NUM", "BOOL"), rule("number_of_columns", "EQUALS", 2)),
        (table("NUM", "WHOLE", "BOOL"), rule("data_types", "EQUALS", "NUM")),
        (table("CAT", "TXT", "OBJECT", "EMPTY"), rule("data_types", "EQUALS", "CAT")),
        (table("CAT"), rule("data_types", "IN", "NUM", "TXT")),
        (table("WHOLE", "CAT"), rule("data_types", "EQUALS", "CAT")),
        (table("NUM"), rule("data_types", "NOT_EQUALS", "CAT")),
        (table("IMG", "DATE"), rule("data_types", "IN", "IMG", "DATE")),
        (table("NUM"), rule("data_types", "IN", "GEO", "COUNT_DICT")),
        (sparse(), rule("data_types", "EQUALS", "NUM")),
        (table("CAT"), rule("contains_missing", "EQUALS", "DYNAMIC")),
        (table("NUM"), rule("contains_missing", "EQUALS", "NEVER")),
        (table("NUM"), rule("sparse", "EQUALS", "NEVER")),
        (sparse(), rule("sparse", "EQUALS", "ALWAYS")),
        (sparse(), rule("sparse", "EQUALS", "IDENTITY")),
    ],
)
def test_table_that_meets_a_rule_passes(frame, requirement):
    check_output(frame, [requirement])


@pytest.mark.parametrize(
    ("frame", "requirement", "fault"),
    [
        (
            table("NUM", "CAT"),
            rule("number_of_columns", "EQUALS", 1),
            WRONG_COUNT,
        ),
        (
            table("NUM", "DATE"),
            rule("data_types", "EQUALS", "NUM"),
            "Datatypes incorrect. Data has types: DATE, NUM, but expected EQUALS NUM",
        ),
        (
            table("TXT"),
            rule("data_types", "EQUALS", "NUM"),
            "Datatypes incorrect. Data has types: TXT, but expected EQUALS NUM",
        ),
        (
            table("NUM"),
            rule("data_types", "EQUALS", "CAT"),
            "Datatypes incorrect. Data has types: NUM, but expected EQUALS CAT",
        ),
        (
            table("NUM"),
            rule("data_types", "NOT_EQUALS", "NUM"),
            "Datatypes incorrect. Data has types: NUM, but expected NOT_EQUALS NUM",
        ),
        (
            table("CAT"),
            rule("contains_missing", "EQUALS", "NEVER"),
            "Output contains missing values, which the supplied task schema does not allow",
        ),
        (
            table("NUM"),
            rule("sparse", "EQUALS", "ALWAYS"),
            "Dense output data found, however value is set to ALWAYS, expecting sparse",
        ),
        (
            sparse(),
            rule("sparse", "EQUALS", "NEVER"),
            "Sparse output data found, however value is set to NEVER, expecting dense",
        ),
    ],
)
def test_table_that_breaks_a_rule_is_refused_with_the_rule(frame, requirement, fault):
    with pytest.raises(SchemaViolation) as caught:
        check_output(frame, [requirement])
    assert str(caught.value) == f"schema validation failed for output:\n ['{fault}']"


def test_every_broken_rule_is_told_and_logged(caplog):
    rules = [rule("number_of_columns", "EQUALS", 2), rule("sparse", "EQUALS", "ALWAYS")]
    with pytest.raises(SchemaViolation, match=r"Incorrect number of columns.*Dense output data"):
        check_output(table("NUM"), rules)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


@pytest.mark.parametrize(
    ("frame", "requirement", "fault"),
    [
        (sparse(), rule("sparse", "EQUALS", "FORBIDDEN"), "Sparse input data found, however value"),
        (table("NUM"), rule("sparse", "EQUALS", "REQUIRED"), "Dense input data found, however"),
        (
            table("CAT"),
            rule("contains_missing", "EQUALS", "FORBIDDEN"),
            "Input contains missing values, which the supplied task schema does not allow",
        ),
    ],
)
def test_training_data_that_break_a_rule_are_refused(frame, requirement, fault):
    with pytest.raises(SchemaViolation, match=f"failed for input:\n .*{fault}") as caught:
        check_input(frame, [requirement])
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("check", [check_input, check_output])
def test_faults_are_only_logged_when_not_strict(check, caplog):
    check(table("NUM"), [rule("number_of_columns", "EQUALS", 2)], strict=False)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize(
    ("frame", "is_right"),
    [
        (table("NUM", "TXT", "DATE", "BOOL"), True),
        (table("CAT"), False),
        (table("IMG"), False),
        (sparse(), False),
    ],
)
def test_default_schema_of_a_transform_forbids_missing_and_sparse(frame, is_right, caplog):
    check_input(frame, DEFAULT_TRANSFORM_SCHEMA.input_requirements, strict=False)
    assert (caplog.records == []) is is_right


def test_only_a_transform_has_rules_for_its_output():
    schema = TypeSchema(output_requirements=(rule("number_of_columns", "EQUALS", 1),))
    check_schema_target(schema, TargetType.TRANSFORM)
    check_schema_target(TypeSchema(), TargetType.BINARY)
    with pytest.raises(SchemaViolation, match="only valid for custom transform tasks") as caught:
        check_schema_target(schema, TargetType.BINARY)
    assert caught.value.exit_code == 3
