"""The first bytes of models and of other files that end like them."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.model_folder.recognise import is_recognised


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.json", b'{"learner":{"attributes":{},"feature_names":[]'),
        ("m.JSON", b'\n{\n  "learner" : {\n    "attributes": {}'),
        ("m.txt", b"tree\nversion=v4\nnum_class=1\n"),
        ("m.model", b"tree\r\nversion=v3\r\n"),
    ],
)
def test_model_is_recognised(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert is_recognised(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.json", b""),
        ("m.json", b'["learner"]'),
        ("m.json", b'{"learner": "ada"}'),
        ("m.json", b"tree\nversion=v4\n"),
        ("m.txt", b""),
        ("m.txt", b"tree\n"),
        ("m.txt", b"cat\ndog\n"),
        ("m.txt", b'{"learner":{'),
        ("m.txt", b"\xff\xfe\x00"),
        ("m.pkl", b"tree\nversion=v4\n"),
    ],
)
def test_other_file_is_not_recognised(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert not is_recognised(tmp_path / name)


def test_file_that_cannot_be_read_is_not_recognised(tmp_path):
    (tmp_path / "m.json").symlink_to(tmp_path / "nowhere")
    assert not is_recognised(tmp_path / "m.json")
