"""Target type and labels, from the command line and the metadata together."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder import (
    ModelMetadata,
    Target,
    read_class_labels,
    resolve_target,
)
from datarobot_drum.drum.settings import ModelSpec


def spec(target_type=None, pair=(None, None), labels=None, code_dir="/m"):
    positive, negative = pair
    return ModelSpec(code_dir, target_type, positive, negative, labels)


def metadata(target_type, pair=(None, None), **fields):
    positive, negative = pair
    return ModelMetadata(
        name="x",
        type="inference",
        target_type=TargetType(target_type),
        positive_class_label=positive,
        negative_class_label=negative,
        **fields,
    )


def test_target_type_comes_from_either_side():
    expected = Target(TargetType.REGRESSION)
    assert resolve_target(spec("regression"), None) == expected
    assert resolve_target(spec(), metadata("regression")) == expected
    assert resolve_target(spec("regression"), metadata("regression")) == expected


@pytest.mark.parametrize(
    ("options", "own", "message"),
    [
        (spec(), None, "^Target type is missing. It must be provided in --target-type argument, "),
        (spec("anomaly"), metadata("regression"), "^Target type provided in --target-type arg"),
        (spec("mcp"), None, "^'mcp' is not a valid TargetType"),
    ],
)
def test_target_type_must_be_known_and_agreed(options, own, message):
    with pytest.raises(DrumError, match=message):
        resolve_target(options, own)


def test_binary_labels_come_from_either_side():
    expected = Target(TargetType.BINARY, ("yes", "no"))
    pair = ("yes", "no")
    assert resolve_target(spec("binary", pair), None) == expected
    assert resolve_target(spec(), metadata("binary", pair)) == expected
    assert resolve_target(spec("binary", pair), metadata("binary", pair)) == expected


def test_binary_target_tells_which_label_is_which():
    target = resolve_target(spec("binary", ("yes", "no")), None)
    assert (target.positive_label, target.negative_label) == ("yes", "no")
    other = resolve_target(spec("multiclass", labels=("a", "b")), None)
    assert (other.positive_label, other.negative_label) == (None, None)


@pytest.mark.parametrize("pair", [(None, None), ("yes", None)])
def test_binary_labels_must_be_given(pair):
    with pytest.raises(DrumError) as caught:
        resolve_target(spec("binary", pair), None)
    assert str(caught.value) == (
        "Positive/negative class labels are missing. They must be provided with either one: "
        "--positive-class-label/--negative-class-label arguments, environment variables, "
        "model config file."
    )


def test_binary_labels_must_agree_in_order():
    with pytest.raises(DrumError, match="^Positive/negative class labels provided with command"):
        resolve_target(spec("binary", ("yes", "no")), metadata("binary", ("no", "yes")))


@pytest.mark.parametrize("target_type", ["multiclass", "multilabel"])
def test_many_labels_have_the_order_of_the_command_line(target_type):
    own = metadata(target_type, class_labels=("lo", "mid", "hi"))
    assert resolve_target(spec(), own).labels == ("lo", "mid", "hi")
    given = spec(target_type, labels=("hi", "lo", "mid"))
    assert resolve_target(given, own).labels == ("hi", "lo", "mid")


@pytest.mark.parametrize(
    ("labels", "own", "message"),
    [
        (None, None, "^Class labels are missing. They must be provided with either one: --class"),
        (("a", "x"), ("a", "b"), "^Class labels provided with command arguments or environment"),
        (("a",), None, "^Multiclass classification requires at least 2 labels.$"),
        (("a", "a"), None, "must differ"),
    ],
)
def test_many_labels_must_be_given_and_agreed(labels, own, message):
    with pytest.raises(DrumError, match=message):
        resolve_target(spec("multiclass", labels=labels), metadata("multiclass", class_labels=own))


def test_labels_file_of_the_metadata_is_looked_for_in_the_folder_first(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "labels.txt").write_text("outside\nb\n")
    monkeypatch.chdir(tmp_path)
    own = metadata("multiclass", class_labels_file="labels.txt")
    assert resolve_target(spec(code_dir=str(folder)), own).labels == ("outside", "b")
    (folder / "labels.txt").write_text("inside\nb\n")
    assert resolve_target(spec(code_dir=str(folder)), own).labels == ("inside", "b")


def test_class_labels_are_lines_that_are_not_blank(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xef\xbb\xbflo\r\n\r\n mid \n  \nhi")
    assert read_class_labels(path) == ("lo", " mid ", "hi")


def test_class_labels_file_needs_two_lines(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("lo\n")
    with pytest.raises(DrumError, match="requires at least 2 labels"):
        read_class_labels(path)


def test_class_labels_file_must_be_readable_text(tmp_path):
    with pytest.raises(DrumError, match="cannot read the class labels file"):
        read_class_labels(tmp_path / "missing")
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xff\n\xfe\n")
    with pytest.raises(DrumError, match="cannot read the class labels file"):
        read_class_labels(path)


@pytest.mark.parametrize("target_type", ["textgeneration", "vectordatabase", "agenticworkflow"])
def test_text_target_needs_a_name(target_type):
    with pytest.raises(DrumError, match="^Unexpected empty target name for text generation, vect"):
        resolve_target(spec(target_type), None)


def test_target_name_of_the_environment_beats_that_of_the_metadata():
    own = metadata("textgeneration", target_name="own")
    assert resolve_target(spec(), own).name == "own"
    assert resolve_target(spec(), own, "given").name == "given"
