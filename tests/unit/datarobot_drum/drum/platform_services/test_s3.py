"""Model files are fetched whole, once, and into the model folder, or the start fails."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stand_ins.s3 import KEY_ID, Store, crc32, object_store, sha256

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.platform_services.lazy_loading import read_downloads
from datarobot_drum.drum.platform_services.s3 import _verify, fetch

SECRET = {
    "credentialType": "s3",
    "awsAccessKeyId": KEY_ID,
    "awsSecretAccessKey": "hunter2",
    "awsSessionToken": "session",
}
BIG = bytes(range(256)) * 80_000  # three parts of the client's 8 MiB

Fetch = Callable[..., None]


@pytest.fixture
def store() -> Iterator[Store]:
    with object_store() as store:
        yield store


@pytest.fixture(autouse=True)
def no_aws_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def data_for(store: Store, files: dict[str, str]) -> str:
    return json.dumps(
        {
            "files": [
                {"remotePath": remote, "localPath": local, "repositoryId": "r"}
                for local, remote in files.items()
            ],
            "repositories": [
                {
                    "repositoryId": "r",
                    "bucketName": "models",
                    "credentialId": "c",
                    "endpointUrl": store.url,
                }
            ],
        }
    )


def fetch_files(text: str, folder: str, secret: dict[str, Any] = SECRET) -> None:
    environ = {"MLOPS_REPOSITORY_SECRET_C": json.dumps(secret)}
    fetch(read_downloads(text, folder, environ), folder)


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


OWN = {".lazy-loading.lock", ".lazy-loading.json"}


def test_files_are_fetched_to_their_places(store: Store, tmp_path: Path):
    store.objects = {"models/v1/a.bin": b"aaa", "models/b.bin": BIG, "models/empty": b""}
    text = data_for(store, {"a.bin": "v1/a.bin", "sub/b.bin": "b.bin", "empty": "empty"})
    fetch_files(text, str(tmp_path))
    assert (tmp_path / "a.bin").read_bytes() == b"aaa"
    assert (tmp_path / "sub" / "b.bin").read_bytes() == BIG
    assert names(tmp_path) == {"a.bin", "sub/b.bin", "empty", *OWN}
    assert store.tokens == {"session"}


def test_file_that_is_there_is_not_fetched_again(store: Store, tmp_path: Path):
    store.objects = {"models/a": b"one"}
    text = data_for(store, {"a": "a"})
    for _ in range(2):
        fetch_files(text, str(tmp_path))
    assert len(store.reads) == 1


@pytest.mark.parametrize("change", ["bucket", "folder", "state"])
def test_file_that_changed_is_fetched_again(change: str, store: Store, tmp_path: Path):
    store.objects = {"models/a": b"one"}
    text = data_for(store, {"a": "a"})
    fetch_files(text, str(tmp_path))
    if change == "bucket":
        store.objects = {"models/a": b"two"}
    elif change == "folder":
        (tmp_path / "a").write_bytes(b"changed")
    else:
        (tmp_path / ".lazy-loading.json").write_text("{")
    fetch_files(text, str(tmp_path))
    assert (tmp_path / "a").read_bytes() == store.objects["models/a"]
    assert len(store.reads) == 2


def test_only_one_of_several_workers_fetches(store: Store, tmp_path: Path):
    store.objects = {"models/b": BIG}
    text = data_for(store, {"b": "b"})
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=fetch_files, args=(text, str(tmp_path))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(set(store.reads)) == 1
    assert len(store.reads) == 3  # the parts of one download


def test_connection_that_breaks_is_tried_again(store: Store, tmp_path: Path):
    store.objects, store.cuts = {"models/a": b"x" * 100_000}, 2
    fetch_files(data_for(store, {"a": "a"}), str(tmp_path))
    assert (tmp_path / "a").read_bytes() == b"x" * 100_000


def test_connection_that_always_breaks_ends_the_start(store: Store, tmp_path: Path):
    store.objects, store.cuts = {"models/a": b"x" * 100_000}, 1000
    with pytest.raises(StartupError, match="model file models/a cannot be fetched to 'a'"):
        fetch_files(data_for(store, {"a": "a"}), str(tmp_path))
    assert names(tmp_path) == {".lazy-loading.lock"}


@pytest.mark.parametrize("checksum", [sha256, crc32])
def test_checksum_of_the_bucket_is_compared(
    checksum: Callable[[bytes], str], store: Store, tmp_path: Path
):
    name = f"x-amz-checksum-{checksum.__name__}"
    store.objects, store.checksums = {"models/a": b"good"}, {name: checksum(b"good")}
    fetch_files(data_for(store, {"a": "a"}), str(tmp_path))
    store.objects, store.checksums = {"models/a": b"evil"}, {name: checksum(b"good")}
    with pytest.raises(StartupError, match="checksum"):
        fetch_files(data_for(store, {"a": "a"}), str(tmp_path))
    assert (tmp_path / "a").read_bytes() == b"good"


def test_checksum_of_parts_is_not_compared(store: Store, tmp_path: Path):
    store.objects = {"models/a": b"good"}
    store.checksums = {"x-amz-checksum-sha256": f"{sha256(b'other')}-3"}
    fetch_files(data_for(store, {"a": "a"}), str(tmp_path))
    assert (tmp_path / "a").read_bytes() == b"good"


def test_wrong_size_ends_the_start(store: Store, tmp_path: Path):
    store.objects, store.told_size = {"models/a": b"good"}, 3
    with pytest.raises(StartupError, match="3 bytes"):
        fetch_files(data_for(store, {"a": "a"}), str(tmp_path))
    assert "a" not in names(tmp_path)


def test_file_of_another_size_is_refused(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"four")
    with pytest.raises(StartupError, match="a has 5 bytes, 4 were received"):
        _verify(tmp_path / "a", "a", {"ContentLength": 5})


def test_missing_object_ends_the_start_and_others_stay_whole(store: Store, tmp_path: Path):
    store.objects = {"models/a": b"aaa"}
    with pytest.raises(StartupError, match="models/b cannot be fetched to 'b': .*404"):
        fetch_files(data_for(store, {"a": "a", "b": "b"}), str(tmp_path))
    assert names(tmp_path) <= {"a", *OWN}


def test_wrong_credential_ends_the_start_and_is_not_told(store: Store, tmp_path: Path):
    store.objects = {"models/a": b"aaa"}
    secret = {**SECRET, "awsAccessKeyId": "nobody"}
    with pytest.raises(StartupError, match="403") as error:
        fetch_files(data_for(store, {"a": "a"}), str(tmp_path), secret)
    assert "hunter2" not in str(error.value)


def test_what_a_killed_worker_left_is_removed(store: Store, tmp_path: Path):
    store.objects = {"models/a": b"aaa"}
    (tmp_path / ".a.0123abcd.part").write_bytes(b"a")
    fetch_files(data_for(store, {"a": "a"}), str(tmp_path))
    assert names(tmp_path) == {"a", *OWN}


def test_lock_that_is_a_link_is_refused(store: Store, tmp_path: Path):
    (tmp_path / ".lazy-loading.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartupError, match="cannot be fetched into"):
        fetch_files(data_for(store, {"a": "a"}), str(tmp_path))


def test_progress_of_a_large_file_is_logged(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    monkeypatch.setattr("datarobot_drum.drum.platform_services.s3.PROGRESS_INTERVAL", 0)
    store.objects = {"models/b": BIG}
    fetch_files(data_for(store, {"b": "b"}), str(tmp_path))
    assert f"fetching b: {len(BIG)} of {len(BIG)} bytes" in caplog.text
    assert "fetched b (20.5 MB)" in caplog.text


def test_missing_library_tells_what_to_install(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StartupError, match=r"pip install 'opendrum\[s3\]'"):
        fetch_files(data_for(store, {"a": "a"}), str(tmp_path))
