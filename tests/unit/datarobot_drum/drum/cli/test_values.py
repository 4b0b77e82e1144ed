"""What the words of a command line may say."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError

import pytest

from datarobot_drum.drum.cli import values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:8080", ("localhost", 8080)),
        ("localhost", ("localhost", 5000)),
        (":8080", ("0.0.0.0", 8080)),
        ("[::1]:8080", ("::1", 8080)),
        ("[::1]", ("::1", 5000)),
        ("::1", ("::1", 5000)),
    ],
)
def test_address_has_a_host_and_a_port(text, expected):
    assert values.address(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":", "localhost:http", "localhost:65536", "http://localhost:1", "[::1]8080", "a b"]
)
def test_address_that_is_none_is_refused(text):
    with pytest.raises(ArgumentTypeError):
        values.address(text)


def test_existing_file_is_told_by_its_real_path(tmp_path):
    (tmp_path / "data.csv").touch()
    (tmp_path / "link.csv").symlink_to(tmp_path / "data.csv")
    assert values.existing_file(str(tmp_path / "link.csv")) == str(tmp_path / "data.csv")


def test_existing_file_may_be_a_pipe():
    read, write = os.pipe()
    try:
        assert values.existing_file(f"/dev/fd/{read}") == f"/dev/fd/{read}"
    finally:
        os.close(read)
        os.close(write)


def test_existing_file_must_exist_and_be_no_folder(tmp_path):
    with pytest.raises(ArgumentTypeError, match="The file nope does not exist!"):
        values.existing_file("nope")
    with pytest.raises(ArgumentTypeError, match="is not a file!"):
        values.existing_file(str(tmp_path))


@pytest.mark.parametrize("kind", [values.existing_dir, values.fit_output_dir])
def test_folder_must_be_one(kind, tmp_path):
    assert kind(str(tmp_path)) == str(tmp_path)
    with pytest.raises(ArgumentTypeError, match="is not a directory!"):
        kind(str(tmp_path / "nope"))


def test_new_path_must_not_exist(tmp_path):
    assert values.new_path(str(tmp_path / "new")) == str(tmp_path / "new")
    with pytest.raises(ArgumentTypeError, match="already exists!"):
        values.new_path(str(tmp_path))


@pytest.mark.parametrize(("text", "reason"), [("0", "must be > 0"), ("-1", "> 0"), ("x", "whole")])
def test_positive_int_is_a_whole_number_above_zero(text, reason):
    with pytest.raises(ArgumentTypeError, match=reason):
        values.positive_int(text)


def test_labels_file_has_one_label_a_line(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"low\r\n\r\nmid class\r\nhigh")
    assert values.labels_file(str(path)) == ("low", "mid class", "high")


def test_labels_file_needs_two_readable_labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("low\n")
    with pytest.raises(ArgumentTypeError, match="requires at least 2 labels"):
        values.labels_file(str(path))
    path.write_bytes(b"\xff\n\xfe\n")
    with pytest.raises(ArgumentTypeError, match="cannot be read"):
        values.labels_file(str(path))


@pytest.mark.parametrize(("text", "expected"), [("Yes", True), (" 1 ", True), ("OFF", False)])
def test_truth_knows_the_usual_words(text, expected):
    assert values.truth(text) is expected


def test_truth_refuses_another_word():
    with pytest.raises(ValueError, match="can't be converted to Bool: 'maybe'"):
        values.truth("maybe")
