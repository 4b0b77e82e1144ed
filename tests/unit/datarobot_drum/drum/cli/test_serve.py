"""The command line of `drum server` as the value that travels to the server."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.cli.model_spec import load_parameters
from datarobot_drum.drum.cli.parser import parse
from datarobot_drum.drum.cli.serve import serve_spec
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.settings import ModelSpec, ServeSpec

BROKEN_DEFINITION = """\
name: m
type: inference
targetType: regression
runtimeParameterDefinitions:
  - fieldName: LIMIT
    type: bogus
"""


def test_serve_spec_holds_what_the_line_says(tmp_path):
    args = parse(
        ["server", "-cd", str(tmp_path), "--address", "[::1]:80", "--max-workers", "3"],
        {"WITH_ERROR_SERVER": "1", "CLASS_LABELS": "a b", "TARGET_TYPE": "multiclass"},
    )
    model = ModelSpec(str(tmp_path), target_type="multiclass", class_labels=("a", "b"))
    assert serve_spec(args) == ServeSpec(
        model, host="::1", port=80, with_error_server=True, max_workers=3
    )


def test_labels_of_a_file_travel_as_labels(tmp_path):
    (tmp_path / "labels.txt").write_text("a\nb\n")
    args = parse(
        ["server", "-cd", str(tmp_path), "--address", "h"],
        {"CLASS_LABELS_FILE": str(tmp_path / "labels.txt")},
    )
    assert serve_spec(args).model.class_labels == ("a", "b")


def test_broken_parameter_definition_does_not_end_a_server_with_error_server(tmp_path, caplog):
    (tmp_path / "model-metadata.yaml").write_text(BROKEN_DEFINITION)
    line = ["server", "-cd", str(tmp_path), "--address", "h"]
    load_parameters(parse([*line, "--with-error-server"], {}))
    assert "defaults of runtime parameters are not set" in caplog.text
    with pytest.raises(DrumError):
        load_parameters(parse(line, {}))


def test_broken_values_file_ends_every_command(tmp_path):
    (tmp_path / "values.yaml").write_text("")
    line = ["server", "-cd", str(tmp_path), "--address", "h", "--with-error-server"]
    args = parse([*line, "--runtime-params-file", str(tmp_path / "values.yaml")], {})
    with pytest.raises(DrumError):
        load_parameters(args)
