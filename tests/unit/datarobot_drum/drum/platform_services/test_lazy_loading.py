"""What to fetch is read from a file or from variables, and checked before anything is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datarobot_drum.drum.errors import DrumError, StartupError
from datarobot_drum.drum.platform_services.lazy_loading import (
    DATA_VARIABLE,
    check_file,
    load_file,
    read_downloads,
)

FILE = {"remotePath": "v1/a.bin", "localPath": "a.bin", "repositoryId": "r"}
REPOSITORY = {"repositoryId": "r", "bucketName": "b", "credentialId": "c"}
SECRET = {"credentialType": "s3", "awsAccessKeyId": "key", "awsSecretAccessKey": "hunter2"}
ENVIRON = {"MLOPS_REPOSITORY_SECRET_C": json.dumps(SECRET)}


def data(file: dict[str, Any] | None = None, repository: dict[str, Any] | None = None) -> str:
    files = [{**FILE, **(file or {})}]
    return json.dumps({"files": files, "repositories": [{**REPOSITORY, **(repository or {})}]})


def test_download_has_all_that_is_needed(tmp_path: Path):
    (item,) = read_downloads(data(), str(tmp_path), ENVIRON)
    assert item.target == tmp_path / "a.bin"
    assert (item.repository.bucket, item.repository.endpoint_url) == ("b", None)
    assert item.repository.verify_certificate
    assert (item.credential.secret, item.credential.session_token) == ("hunter2", None)


def test_keys_may_be_in_snake_case(tmp_path: Path):
    text = json.dumps(
        {
            "files": [{"remote_path": "x", "local_path": "d/y", "repository_id": 5}],
            "repositories": [
                {
                    "repository_id": 5,
                    "bucket_name": "b",
                    "credential_id": "c",
                    "endpoint_url": "https://s3.example",
                    "verify_certificate": False,
                }
            ],
        }
    )
    secret = {"credential_type": "s3", "aws_access_key_id": "k", "aws_secret_access_key": "s"}
    environ = {"MLOPS_REPOSITORY_SECRET_C": json.dumps(secret)}
    (item,) = read_downloads(text, str(tmp_path), environ)
    assert item.target == tmp_path / "d" / "y"
    assert item.repository.endpoint_url == "https://s3.example"
    assert not item.repository.verify_certificate
    assert item.credential.key_id == "k"


def test_credential_may_be_wrapped_like_a_runtime_parameter(tmp_path: Path):
    wrapped = json.dumps({"type": "credential", "payload": SECRET})
    (item,) = read_downloads(data(), str(tmp_path), {"MLOPS_REPOSITORY_SECRET_C": wrapped})
    assert item.credential.key_id == "key"


def test_absolute_path_in_the_folder_is_allowed(tmp_path: Path):
    place = str(tmp_path / "sub" / "a.bin")
    (item,) = read_downloads(data({"localPath": place}), str(tmp_path), ENVIRON)
    assert str(item.target) == place


def test_text_of_a_credential_shows_nothing(tmp_path: Path):
    (item,) = read_downloads(data(), str(tmp_path), ENVIRON)
    assert "hunter2" not in repr(item)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/etc/passwd", "must be a path in the model folder"),
        ("../a", "must be a path in the model folder"),
        ("x/../a", "must be a path in the model folder"),
        (".", "must be a path in the model folder"),
        ("a\0b", "must be a path in the model folder"),
        ("link/a", "leads through a link"),
        ("link", "leads through a link"),
        ("folder", "is a folder"),
        ("new/", "is a folder"),
        ("", "'localPath' of files must be text"),
        (True, "'localPath' of files must be text"),
    ],
)
def test_local_path_outside_the_folder_is_refused(path: Any, message: str, tmp_path: Path):
    folder = tmp_path / "model"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(StartupError, match=message):
        read_downloads(data({"localPath": path}), str(folder), ENVIRON)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", f"{DATA_VARIABLE} is not valid JSON"),
        ("[]", "must hold 'files' and 'repositories'"),
        ("{}", "'files' must list at least one item"),
        (json.dumps({"files": [FILE], "repositories": []}), "'repositories' must list"),
        (json.dumps({"files": ["x"], "repositories": [REPOSITORY]}), "must be a mapping"),
        (json.dumps({"files": [FILE] * 2, "repositories": [REPOSITORY]}), "two files have"),
        (data({"repositoryId": "other"}), "'other', which is not listed"),
        (data({"remotePath": None}), "'remotePath' of files must be text"),
        (data(repository={"bucketName": 1.5}), "'bucketName' of repositories must be text"),
        (data(repository={"endpointUrl": "ftp://x"}), "'endpointUrl' must start with http"),
        (data(repository={"verifyCertificate": "no"}), "'verifyCertificate' must be true or"),
    ],
)
def test_bad_data_is_refused(text: str, message: str, tmp_path: Path):
    with pytest.raises(StartupError, match=message):
        read_downloads(text, str(tmp_path), ENVIRON)


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("", "has no credential: set the variable MLOPS_REPOSITORY_SECRET_C"),
        ("{", "must hold a JSON object"),
        ("[]", "must hold a JSON object"),
        (json.dumps({**SECRET, "credentialType": "gcp"}), "credentialType 's3'"),
        (json.dumps({"credentialType": "s3"}), "'awsAccessKeyId'"),
    ],
)
def test_bad_credential_is_refused(secret: str, message: str, tmp_path: Path):
    with pytest.raises(StartupError, match=message) as error:
        read_downloads(data(), str(tmp_path), {"MLOPS_REPOSITORY_SECRET_C": secret})
    assert "hunter2" not in str(error.value)


YAML = """
files:
  - remote_path: v1/a.bin
    local_path: a.bin
    repository_id: r
repositories:
  - repository_id: r
    bucket_name: b
    credential_id: my-id
credentials:
  - id: my-id
    credential_type: s3
    aws_access_key_id: key
    aws_secret_access_key: hunter2
"""


def test_file_sets_the_variables_that_workers_read(tmp_path: Path):
    (tmp_path / "lazy.yaml").write_text(YAML)
    environ: dict[str, str] = {}
    load_file(str(tmp_path / "lazy.yaml"), environ)
    assert set(environ) == {DATA_VARIABLE, "MLOPS_REPOSITORY_SECRET_MY-ID"}
    (item,) = read_downloads(environ[DATA_VARIABLE], str(tmp_path), environ)
    assert item.credential.secret == "hunter2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("files: [\n", "Invalid lazy loading content. .* in line 2"),
        ("a: \0", "Invalid lazy loading content. "),
        ("[]", "must hold 'files'"),
        (YAML.replace("bucket_name: b", "bucket: b"), "'bucketName' of repositories"),
    ],
)
def test_bad_file_is_refused(text: str, message: str, tmp_path: Path):
    (tmp_path / "lazy.yaml").write_text(text)
    with pytest.raises(DrumError, match=message):
        check_file(str(tmp_path / "lazy.yaml"))


def test_credential_without_an_id_is_refused(tmp_path: Path):
    (tmp_path / "lazy.yaml").write_text(YAML.replace("- id: my-id", "- name: x"))
    with pytest.raises(DrumError, match="'id' of credentials must be text"):
        load_file(str(tmp_path / "lazy.yaml"), {})


def test_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(DrumError, match="Invalid lazy loading content. "):
        check_file(str(tmp_path / "none.yaml"))
