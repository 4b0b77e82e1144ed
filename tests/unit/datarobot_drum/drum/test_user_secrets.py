"""User secrets from files and variables; faults never show what they hold."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from datarobot_drum.custom_task_interfaces import ApiTokenSecret, CustomTaskInterface
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.observability.masking import stop_masking
from datarobot_drum.drum.user_secrets import (
    provide_user_secrets,
    read_user_secrets,
    withdraw_user_secrets,
)


def token(text):
    return json.dumps({"credential_type": "api_token", "api_token": text})


@pytest.fixture
def mount(tmp_path):
    """A mounted volume as Kubernetes makes it: hidden folders and links to files."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "KEY").write_text(token("from-file"))
    (tmp_path / "KEY").symlink_to(tmp_path / "..data" / "KEY")
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_files_come_before_variables(mount):
    environ = {"P_KEY": token("from-variable"), "P_B_C": token("b"), "PX": "", "P_": "", "Q_A": ""}
    assert read_user_secrets(str(mount), "P", environ) == {
        "KEY": ApiTokenSecret("from-file"),
        "B_C": ApiTokenSecret("b"),
    }


def test_without_options_there_are_none(mount):
    assert read_user_secrets(None, None, {"P_KEY": token("x")}) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s3cret", "user secret in variable P_KEY is not JSON; write one JSON object"),
        ('"s3cret"', "user secret in variable P_KEY: a secret must be a JSON object"),
        ('{"credential_type": "api_token"}', "variable P_KEY: a secret of this type needs api_tok"),
        ("[" * 100_000, "user secret in variable P_KEY is not JSON"),
    ],
)
def test_faulty_secret_is_told_by_its_place(text, message):
    with pytest.raises(DrumError, match=message) as caught:
        read_user_secrets(None, "P", {"P_KEY": text})
    assert "s3cret" not in str(caught.value)


def test_file_that_is_no_text_is_told_without_its_bytes(mount):
    (mount / "BAD").write_bytes(b"\xff\xfe")
    with pytest.raises(DrumError, match="a file is not UTF-8 text$"):
        read_user_secrets(str(mount), None, {})


def test_missing_folder_is_told(tmp_path):
    with pytest.raises(DrumError, match="cannot read the user secrets in .*: No such file"):
        read_user_secrets(str(tmp_path / "gone"), None, {})


def test_provided_secrets_are_there_for_tasks_and_masked(monkeypatch):
    stdout = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setenv("P_KEY", token("sup3rs3cret"))
    try:
        provide_user_secrets(None, "P")
        found: Any = CustomTaskInterface().secrets["KEY"]
        withdraw_user_secrets()
        sys.stdout.write(f"{found.api_token} {CustomTaskInterface().secrets}\n")
    finally:
        stop_masking()
    assert stdout.getvalue() == "***** {}\n"


def test_nothing_is_masked_without_options(monkeypatch):
    before = sys.stdout
    provide_user_secrets(None, None)
    assert sys.stdout is before
