"""Which model files to fetch at the start, and from where: read from a file or from variables."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from datarobot_drum.drum.errors import DrumError, StartupError

DATA_VARIABLE = "MLOPS_LAZY_LOADING_DATA"
SECRET_PREFIX = "MLOPS_REPOSITORY_SECRET_"  # noqa: S105 - the name of variables

INVALID = "Invalid lazy loading content."


@dataclass(frozen=True)
class RemoteFile:
    """One file: its key in a bucket, and its place below the model folder."""

    remote_path: str
    local_path: str
    repository_id: str


@dataclass(frozen=True)
class Repository:
    """A bucket, and who may read it; `endpoint_url` is None for Amazon's own."""

    id: str
    bucket: str
    credential_id: str
    endpoint_url: str | None
    verify_certificate: bool


@dataclass(frozen=True)
class Credential:
    """Keys of an S3 account; its text shows none of them."""

    key_id: str
    secret: str
    session_token: str | None

    def __repr__(self) -> str:
        return "Credential(*****)"


@dataclass(frozen=True)
class Download:
    """A file with all that is needed to fetch it; `target` is absolute."""

    file: RemoteFile
    repository: Repository
    credential: Credential
    target: Path


def check_file(path: str) -> dict[str, Any]:
    """The content of a `--lazy-loading-file`; DrumError says what is wrong with it."""
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        # the error's own text quotes the line, which may hold a key
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DrumError(f"{INVALID} {error.problem}{line}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DrumError(f"{INVALID} {error}") from None
    content = _camel(content)
    if not isinstance(content, dict):
        raise DrumError(f"{INVALID} It must hold 'files' and 'repositories'")
    _files(content)
    _repositories(content)
    return content


def load_file(path: str, environ: MutableMapping[str, str]) -> None:
    """Put the content of a `--lazy-loading-file` into the variables that workers read."""
    content = check_file(path)
    for item in _items(content, "credentials", at_least=0):
        name = _text(item, "credentials", "id")
        secret = {key: value for key, value in item.items() if key != "id"}
        environ[f"{SECRET_PREFIX}{name.upper()}"] = json.dumps(secret)
    data = {key: content[key] for key in ("files", "repositories")}
    environ[DATA_VARIABLE] = json.dumps(data)


def read_downloads(text: str, code_dir: str, environ: Mapping[str, str]) -> list[Download]:
    """What the variables ask for; StartupError when it cannot be done so.

    A local path must stay below the model folder and lead through no link.
    """
    try:
        content = _camel(json.loads(text))
    except ValueError:
        raise StartupError(f"{DATA_VARIABLE} is not valid JSON") from None
    if not isinstance(content, dict):
        raise StartupError(f"{INVALID} {DATA_VARIABLE} must hold 'files' and 'repositories'")
    try:
        files, repositories = _files(content), _repositories(content)
        return list(_joined(files, repositories, code_dir, environ))
    except DrumError as error:
        raise StartupError(str(error)) from None


def _joined(
    files: list[RemoteFile],
    repositories: dict[str, Repository],
    code_dir: str,
    environ: Mapping[str, str],
) -> Iterator[Download]:
    targets: set[Path] = set()
    credentials = {
        repository.id: _credential(repository, environ) for repository in repositories.values()
    }
    for file in files:
        target = _target(file.local_path, code_dir)
        if target in targets:
            raise DrumError(f"{INVALID} two files have the localPath {file.local_path!r}")
        targets.add(target)
        if file.repository_id not in repositories:
            raise DrumError(
                f"{INVALID} the file {file.local_path!r} is in the repository "
                f"{file.repository_id!r}, which is not listed"
            )
        repository = repositories[file.repository_id]
        yield Download(file, repository, credentials[repository.id], target)


def _target(local_path: str, code_dir: str) -> Path:
    root = os.path.realpath(code_dir)
    plain = os.path.normpath(os.path.join(root, local_path))
    is_below = plain.startswith(f"{root}{os.sep}")
    if not is_below or ".." in Path(local_path).parts or "\0" in local_path:
        raise DrumError(f"{INVALID} localPath {local_path!r} must be a path in the model folder")
    if os.path.realpath(plain) != plain:
        raise DrumError(f"{INVALID} localPath {local_path!r} leads through a link")
    if os.path.isdir(plain) or local_path.endswith(os.sep):
        raise DrumError(f"{INVALID} localPath {local_path!r} is a folder; give the name of a file")
    return Path(plain)


def _credential(repository: Repository, environ: Mapping[str, str]) -> Credential:
    variable = f"{SECRET_PREFIX}{repository.credential_id.upper()}"
    text = environ.get(variable)
    if not text:
        raise DrumError(
            f"the repository {repository.id!r} has no credential: set the variable {variable}"
        )
    try:
        content = _camel(json.loads(text))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise DrumError(f"{variable} must hold a JSON object")
    content = {**content, **_payload(content)}
    if content.get("credentialType") != "s3":
        raise DrumError(f"{variable} must have the credentialType 's3'; no other is supported")
    return Credential(
        _text(content, variable, "awsAccessKeyId"),
        _text(content, variable, "awsSecretAccessKey"),
        content.get("awsSessionToken") or None,
    )


def _payload(content: dict[str, Any]) -> dict[str, Any]:
    # a runtime parameter of type credential wraps the same object
    payload = content.get("payload")
    return payload if isinstance(payload, dict) else {}


def _files(content: dict[str, Any]) -> list[RemoteFile]:
    return [
        RemoteFile(
            *(_text(item, "files", key) for key in ("remotePath", "localPath", "repositoryId"))
        )
        for item in _items(content, "files")
    ]


def _repositories(content: dict[str, Any]) -> dict[str, Repository]:
    found = [_repository(item) for item in _items(content, "repositories")]
    return {repository.id: repository for repository in found}


def _repository(item: dict[str, Any]) -> Repository:
    url = item.get("endpointUrl") or None
    if url is not None and urlsplit(str(url)).scheme not in ("http", "https"):
        raise DrumError(f"{INVALID} 'endpointUrl' must start with http:// or https://")
    verify = item.get("verifyCertificate", True)
    if not isinstance(verify, bool):
        raise DrumError(f"{INVALID} 'verifyCertificate' must be true or false")
    return Repository(
        id=_text(item, "repositories", "repositoryId"),
        bucket=_text(item, "repositories", "bucketName"),
        credential_id=_text(item, "repositories", "credentialId"),
        endpoint_url=url,
        verify_certificate=verify,
    )


def _items(content: dict[str, Any], key: str, at_least: int = 1) -> list[dict[str, Any]]:
    items = content.get(key, [])
    if not isinstance(items, list) or len(items) < at_least:
        raise DrumError(f"{INVALID} {key!r} must list at least one item")
    if not all(isinstance(item, dict) for item in items):
        raise DrumError(f"{INVALID} each item of {key!r} must be a mapping")
    return items


def _text(item: dict[str, Any], place: str, key: str) -> str:
    value = item.get(key)
    # an id may be written without quotes
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise DrumError(f"{INVALID} {key!r} of {place} must be text")
    return value


def _camel(value: Any) -> Any:
    """The same with keys in camelCase: platforms write them in snake_case, too."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if isinstance(value, dict):
        return {_camel_key(str(key)): _camel(item) for key, item in value.items()}
    return value


def _camel_key(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)
