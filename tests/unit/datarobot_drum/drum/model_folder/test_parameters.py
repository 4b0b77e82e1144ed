"""Runtime parameters from a values file and from the defaults of their definitions."""

from __future__ import annotations

import json

import pytest

from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import apply_default_parameters, load_runtime_parameter_file
from datarobot_drum.runtime_parameters.transport import decode

DEFINITIONS = """
runtimeParameterDefinitions:
  - {fieldName: S, type: string, description: text, unknown: ignored}
  - {fieldName: B, type: boolean, defaultValue: false}
  - {fieldName: N, type: numeric, minValue: 0, maxValue: 10, defaultValue: 1}
  - {fieldName: C, type: credential}
"""
NEEDED = "\nruntimeParameterDefinitions: [{fieldName: X, type: string, allowEmpty: false}]\n"


@pytest.fixture
def load(metadata_folder, tmp_path):
    """Load a values file with that text; gives the payloads of the environment."""

    def load(values, definitions=DEFINITIONS, environ=None):
        environ = {} if environ is None else environ
        path = tmp_path / "values.yaml"
        path.write_text(values)
        load_runtime_parameter_file(path, metadata_folder(definitions), environ)
        return payloads(environ)

    return load


def payloads(environ):
    prefix = "MLOPS_RUNTIME_PARAM_"
    found = {name: text for name, text in environ.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): json.loads(text)["payload"] for name, text in found.items()}


def test_values_file_and_defaults_reach_the_environment(load):
    values = "S: hello\nB: true\nC: {credentialType: s3, awsAccessKeyId: AK}\nUNKNOWN: 1\n"
    credential = {"credentialType": "s3", "awsAccessKeyId": "AK"}
    assert load(values) == {"S": "hello", "B": True, "N": 1, "C": credential}


def test_parameter_without_value_and_default_is_null(load):
    assert load("N: 3\n") == {"S": None, "B": False, "N": 3, "C": None}


def test_numeric_text_stays_text(load):
    assert load("N: '7'\n")["N"] == "7"


def test_values_file_replaces_a_variable_that_exists(load):
    environ = {"MLOPS_RUNTIME_PARAM_S": "old"}
    assert load("S: new\n", environ=environ)["S"] == "new"


@pytest.mark.parametrize("value", ["0", "10", "'10'"])
def test_bounds_belong_to_the_range(load, value):
    assert float(load(f"N: {value}\n")["N"]) in (0, 10)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("N: notanumber\n", "'N'. {'payload': 'value must be a number"),
        ("N: -1\n", "'N'. {'payload': 'value is less than 0'}"),
        ("N: 1000\n", "'N'. {'payload': 'value is greater than 10'}"),
        ("B: 'true'\n", "'B'. {'payload': 'value must be true or false"),
        ("S: 5\n", "'S'. {'payload': 'value must be text that is not empty"),
        ("C: {user: s3cret}\n", "'C'. {'payload': \"value must be an object"),
    ],
)
def test_bad_value_is_told_by_name_and_nothing_is_set(load, values, message):
    environ: dict[str, str] = {}
    with pytest.raises(DrumError) as caught:
        load(values, environ=environ)
    assert str(caught.value).startswith(f"Failed to load runtime parameter {message}")
    assert "s3cret" not in str(caught.value)
    assert environ == {}


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("S", "{'definition': 'value is not a mapping'}"),
        ("{type: string}", "{'fieldName': 'value must be text"),
        ("{fieldName: 1, type: string}", "{'fieldName': 'value must be text"),
        ("{fieldName: S, type: integer}", "{'type': 'value must be one of string, boolean"),
        ("{fieldName: S}", "{'type': 'value must be one of"),
        ("{fieldName: N, type: numeric, minValue: low}", "{'minValue': 'value must be a number'}"),
        ("{fieldName: N, type: numeric, maxValue: true}", "{'maxValue': 'value must be a number'}"),
        ("{fieldName: S, type: string, allowEmpty: 3}", "{'allowEmpty': 'value must be true"),
    ],
)
def test_bad_definition_is_told(load, definition, message):
    with pytest.raises(DrumError) as caught:
        load("S: x\n", f"runtimeParameterDefinitions: [{definition}]\n")
    assert str(caught.value).startswith(f"Failed to load runtime parameter: {message}")


def test_definition_given_twice_is_refused(load):
    item = "{fieldName: S, type: string}"
    with pytest.raises(DrumError) as caught:
        load("S: x\n", f"runtimeParameterDefinitions: [{item}, {item}]\n")
    expected = "Failed to load runtime parameter [S], duplicated definition"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("", "^Runtime parameter values YAML file is empty!$"),
        ("S: [1,\n", "^Invalid runtime parameter values YAML content! "),
        ("- S\n", "^Invalid runtime parameter values YAML content! The file must map"),
        ("S: 1\nS: 2\n", "duplicate key 'S'"),
    ],
)
def test_values_file_must_be_a_mapping_of_yaml(load, values, message):
    with pytest.raises(DrumError, match=message):
        load(values)


def test_values_file_must_exist(metadata_folder):
    with pytest.raises(DrumError, match="values file does not exist: missing.yaml"):
        load_runtime_parameter_file("missing.yaml", metadata_folder(DEFINITIONS), {})


def test_values_file_needs_a_metadata_file(tmp_path):
    with pytest.raises(DrumError, match="^model-metadata.yaml must exist to use runtime param"):
        load_runtime_parameter_file(tmp_path / "values.yaml", tmp_path, {})


def test_values_file_needs_definitions(load):
    with pytest.raises(DrumError, match="must contain at least one parameter definition in the"):
        load("S: x\n", definitions="")


def test_defaults_apply_without_a_values_file(metadata_folder):
    environ: dict[str, str] = {}
    apply_default_parameters(metadata_folder(DEFINITIONS), environ)
    assert payloads(environ) == {"B": False, "N": 1}


def test_default_never_replaces_a_variable(metadata_folder):
    environ = {"MLOPS_RUNTIME_PARAM_N": "7"}
    apply_default_parameters(metadata_folder(DEFINITIONS), environ)
    assert payloads(environ)["N"] == 7


def test_folder_without_metadata_has_no_defaults(tmp_path):
    environ: dict[str, str] = {}
    apply_default_parameters(tmp_path, environ)
    assert environ == {}


def test_default_of_a_wrong_type_is_refused(metadata_folder):
    text = "runtimeParameterDefinitions: [{fieldName: D, type: string, defaultValue: 3}]\n"
    with pytest.raises(DrumError, match="^Failed to load runtime parameter 'D'"):
        apply_default_parameters(metadata_folder(text), {})


def test_broken_values_file_is_told_by_its_line_and_never_quoted(load):
    with pytest.raises(DrumError, match="in line 2$") as caught:
        load("S: hello\nC: {apiToken: s3cret]\nN: 1\n")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"MLOPS_RUNTIME_PARAM_X": '{"type": "string", "payload": null}'},
        {"MLOPS_RUNTIME_PARAM_X": ""},
    ],
)
def test_parameter_that_must_not_be_empty_is_asked_for(metadata_folder, environ):
    with pytest.raises(DrumError, match=r"^Failed to load runtime parameter 'X'.*allowEmpty"):
        apply_default_parameters(metadata_folder(NEEDED), environ)


def test_parameter_that_must_not_be_empty_is_asked_for_in_a_values_file(load):
    with pytest.raises(DrumError, match=r"^Failed to load runtime parameter 'X'.*allowEmpty"):
        load("Y: 1\n", NEEDED)


@pytest.mark.parametrize(
    "environ", [{"MLOPS_RUNTIME_PARAM_X": "given"}, {"DRUM_ALLOW_EMPTY_PARAMETERS": "TRUE"}]
)
def test_parameter_may_be_given_by_the_environment_or_left_empty_on_demand(
    metadata_folder, environ
):
    before = dict(environ)
    apply_default_parameters(metadata_folder(NEEDED), environ)
    assert environ == before


def test_broken_variable_of_a_defined_parameter_is_told(metadata_folder):
    with pytest.raises(DrumError, match="MLOPS_RUNTIME_PARAM_X"):
        apply_default_parameters(metadata_folder(NEEDED), {"MLOPS_RUNTIME_PARAM_X": "{"})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("N", "0.5", 0.5), ("N", " 7 ", 7), ("B", "True", True), ("S", "7", "7")],
)
def test_bare_variable_is_read_by_its_declared_type(metadata_folder, name, text, value):
    environ = {f"MLOPS_RUNTIME_PARAM_{name}": text}
    apply_default_parameters(metadata_folder(DEFINITIONS), environ)
    variable = f"MLOPS_RUNTIME_PARAM_{name}"
    assert decode(variable, environ[variable]).value == value


@pytest.mark.parametrize("text", ["many", "11"])
def test_bare_variable_of_another_type_or_range_is_refused(metadata_folder, text):
    with pytest.raises(DrumError, match="Failed to load runtime parameter 'N'"):
        apply_default_parameters(metadata_folder(DEFINITIONS), {"MLOPS_RUNTIME_PARAM_N": text})
