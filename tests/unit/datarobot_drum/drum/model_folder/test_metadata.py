"""Reading `model-metadata.yaml`."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import Hyperparameter, read_metadata

INFERENCE = "name: x\ntype: inference\ntargetType: {}\n"


def test_folder_without_the_file_has_no_metadata(tmp_path):
    assert read_metadata(tmp_path) is None


def test_metadata_has_what_the_file_says(metadata_folder):
    text = (
        "inferenceModel:\n  targetName: y\n  positiveClassLabel: yes\n  negativeClassLabel: 1.0\n"
        "  predictionThreshold: 0.5\nmodelID: 0123\nmajorVersion: false\n"
    )
    metadata = read_metadata(metadata_folder(text, INFERENCE.format("binary")))
    assert metadata is not None
    assert (metadata.name, metadata.type) == ("x", "inference")
    assert (metadata.target_type, metadata.target_name) == (TargetType.BINARY, "y")
    assert (metadata.positive_class_label, metadata.negative_class_label) == ("yes", "1.0")
    assert metadata.prediction_threshold == 0.5
    assert metadata.raw["modelID"] == "0123"
    assert metadata.raw["majorVersion"] is False
    assert metadata.raw["inferenceModel"]["predictionThreshold"] == 0.5
    assert metadata.raw["inferenceModel"]["negativeClassLabel"] == "1.0"


def test_metadata_takes_ordinary_yaml(metadata_folder):
    text = "inferenceModel: {classLabels: [1, 0x2, ~, on]}\ncustomPredictor: {a: 1, b: []}\n"
    metadata = read_metadata(metadata_folder(text, INFERENCE.format("multiclass")))
    assert metadata is not None
    assert metadata.class_labels == ("1", "0x2", "~", "on")
    assert metadata.raw["customPredictor"] == {"a": "1", "b": []}


def test_metadata_takes_every_known_section_without_a_warning(metadata_folder, caplog):
    text = """
description: text
environmentID: 5e8c889607389fe0f466c72d
validation: {input: x.csv, targetName: y}
inferenceModel:
trainingModel: {trainOnProject: 5e8c}
hyperparameters: [{name: depth, type: int, min: 1, max: 3}]
typeSchema: {input_requirements: [{field: data_types, condition: IN, value: [NUM]}]}
runtimeParameterDefinitions: [{fieldName: N, type: numeric, defaultValue: 3}]
userCredentialSpecifications: [{key: K, valueFrom: 655270e3, reminder: r}]
lazyLoading: anything
inputSchema: {type: object, properties: {q: {type: string}}, required: [q]}
"""
    metadata = read_metadata(metadata_folder(text))
    assert metadata is not None
    assert metadata.hyperparameters == (Hyperparameter("depth", "int", 1),)
    assert metadata.type_schema is not None
    assert metadata.parameter_definitions[0]["defaultValue"] == 3
    assert caplog.messages == []


def test_unknown_keys_are_told_in_one_warning_however_often_the_file_is_read(
    metadata_folder, caplog
):
    path = metadata_folder("foo: bar\ninferenceModel: {colour: red}\n")
    assert read_metadata(path) == read_metadata(path)
    assert caplog.messages == [
        "model-metadata.yaml: unknown keys are ignored: foo, inferenceModel.colour"
    ]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", ["name", "type", "targetType"]),
        ("name: x\ntype: inference\n", ["targetType"]),
        (INFERENCE.format("binary"), ["inferenceModel"]),
        (
            INFERENCE.format("binary") + "inferenceModel:\n",
            ["positiveClassLabel", "negativeClassLabel"],
        ),
        (INFERENCE.format("regression") + "validation: {targetName: y}\n", ["input"]),
    ],
)
def test_missing_keys_are_named(metadata_folder, text, missing):
    with pytest.raises(DrumError) as caught:
        read_metadata(metadata_folder(text, head=""))
    assert str(caught.value) == (
        f"The following keys are missing in model-metadata.yaml file.\nMissing keys: {missing}"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: y\n", "duplicate key 'name'"),
        ("modelID: [x\n", "not valid YAML"),
        ("modelID: !python/object:os.system x\n", "not valid YAML"),
        ("modelID: {a: 1}\n", "'modelID' must be text"),
        ("majorVersion: perhaps\n", "'majorVersion' must be true or false"),
        ("inferenceModel: [1]\n", "'inferenceModel' must be a mapping"),
        ("inferenceModel: {targetName: [y]}\n", "'targetName' must be text"),
        ("inferenceModel: {classLabels: a}\n", "'classLabels' must be a list of texts"),
        ("inferenceModel: {classLabels: [[a]]}\n", "'classLabels' must be a list of texts"),
        ("inferenceModel: {predictionThreshold: high}\n", "must be a number, not 'high'"),
        ("runtimeParameterDefinitions: {a: 1}\n", "'runtimeParameterDefinitions' must be a list"),
        ("userCredentialSpecifications: [{key: K}]\n", "mappings with key, valueFrom"),
        ("userCredentialSpecifications: [K]\n", "mappings with key, valueFrom"),
        ("inputSchema: {type: object}\n", "must have a mapping 'properties'"),
        ("inputSchema: {type: object, properties: {}, required: q}\n", "must be a list"),
    ],
)
def test_fault_is_told_with_its_key(metadata_folder, text, message):
    with pytest.raises(DrumError, match=message):
        read_metadata(metadata_folder(text))


@pytest.mark.parametrize("text", ["- a\n- b\n", "only text\n"])
def test_file_that_is_no_mapping_is_refused(metadata_folder, text):
    with pytest.raises(DrumError, match="must hold a mapping"):
        read_metadata(metadata_folder(text, head=""))


def test_file_that_is_not_utf8_is_refused(folder):
    path = folder()
    (path / "model-metadata.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(DrumError, match="not valid YAML"):
        read_metadata(path)


def test_input_schema_must_describe_an_object(metadata_folder):
    with pytest.raises(DrumError) as caught:
        read_metadata(metadata_folder("inputSchema: {type: array, properties: {}}\n"))
    assert str(caught.value) == (
        "Error creating pydantic model from input schema: Only 'object' type schemas are "
        "supported, got 'array'"
    )


def test_target_type_must_be_known(metadata_folder):
    with pytest.raises(DrumError, match="^'nonsense' is not a valid TargetType; use one of binary"):
        read_metadata(metadata_folder("", INFERENCE.format("nonsense")))


@pytest.mark.parametrize(
    ("inference", "message"),
    [
        ("{targetName: y}", "must be provided in model-metadata.yaml file."),
        ("{classLabels: [a, b], classLabelsFile: l.txt}", "but not both."),
    ],
)
@pytest.mark.parametrize("target_type", ["multiclass", "multilabel"])
def test_labels_of_many_classes_come_from_one_place(
    metadata_folder, inference, message, target_type
):
    text = f"inferenceModel: {inference}\n"
    with pytest.raises(DrumError, match="^\nError - for multiclass classification") as caught:
        read_metadata(metadata_folder(text, INFERENCE.format(target_type)))
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize("target_type", ["binary", "multiclass"])
def test_training_needs_no_labels(metadata_folder, target_type):
    head = INFERENCE.format(target_type).replace("inference", "training")
    metadata = read_metadata(metadata_folder("", head))
    assert metadata is not None
    assert metadata.class_labels is None


def test_merge_keys_work_in_both_readings(metadata_folder):
    text = "customPredictor:\n  a: &a {x: 1}\n  b: {<<: *a, y: 2}\n"
    metadata = read_metadata(metadata_folder(text))
    assert metadata is not None
    assert metadata.raw["customPredictor"]["b"] == {"x": "1", "y": "2"}
