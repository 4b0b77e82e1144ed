"""Fetches model files from S3 before the model is loaded, once for all workers of a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import queue
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.file_locks import take_lock
from datarobot_drum.drum.platform_services.extras import S3
from datarobot_drum.drum.platform_services.lazy_loading import Download

logger = logging.getLogger("drum.lazy_loading")

LOCK_NAME = ".lazy-loading.lock"
#: What was fetched, so that a second worker, or a second start, need not fetch it again.
STATE_NAME = ".lazy-loading.json"

PARALLEL = 8
ATTEMPTS = 5
CONNECT_TIMEOUT = 10
#: Seconds without a byte.
READ_TIMEOUT = 60
PROGRESS_INTERVAL = 10
BLOCK = 1 << 20
MEGABYTE = 1e6


def fetch(downloads: list[Download], code_dir: str) -> None:
    """Have every file in its place; StartupError when one cannot be fetched.

    With several workers one fetches and the others wait for it.
    """
    started = time.monotonic()
    with _locked(Path(code_dir)):
        state = _State(Path(code_dir))
        _remove_parts(downloads)
        clients = _clients(downloads)
        _run_all(
            [partial(_fetch_one, item, clients[item.repository.id], state) for item in downloads]
        )
    logger.info("model files are there after %.1f s", time.monotonic() - started)


@contextmanager
def _locked(code_dir: Path) -> Iterator[None]:
    path = str(code_dir / LOCK_NAME)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(f"model files cannot be fetched into {code_dir}: {error}") from error
    try:
        take_lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


class _State:
    """Size, tag and time of the files that were fetched; kept in the model folder."""

    def __init__(self, code_dir: Path) -> None:
        self._path = code_dir / STATE_NAME
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            self._known = dict(json.loads(self._path.read_text()))

    def has(self, target: Path, head: dict[str, Any]) -> bool:
        """Is the file there as it was fetched, and is that still what the bucket holds?"""
        with suppress(OSError):
            return self._known.get(str(target)) == _marks(target, head)
        return False

    def add(self, target: Path, head: dict[str, Any]) -> None:
        """Remember a file that was fetched."""
        with self._lock:
            self._known[str(target)] = _marks(target, head)
            part = self._path.with_name(f"{STATE_NAME}.part")
            part.write_text(json.dumps(self._known))
            part.replace(self._path)


def _marks(target: Path, head: dict[str, Any]) -> list[Any]:
    facts = target.stat()
    return [head["ETag"], head["ContentLength"], facts.st_size, facts.st_mtime_ns]


def _remove_parts(downloads: list[Download]) -> None:
    """Remove what a worker that was killed has left; nobody else writes while we hold the lock."""
    for item in downloads:
        for part in item.target.parent.glob(f".{item.target.name}.*.part"):
            part.unlink(missing_ok=True)


def _clients(downloads: list[Download]) -> dict[str, Any]:
    boto3 = S3.load()
    config = S3.load("botocore.config").Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    clients: dict[str, Any] = {}
    for item in downloads:
        repository, credential = item.repository, item.credential
        if repository.id not in clients:
            clients[repository.id] = boto3.session.Session(
                aws_access_key_id=credential.key_id,
                aws_secret_access_key=credential.secret,
                aws_session_token=credential.session_token,
            ).client(
                "s3",
                endpoint_url=repository.endpoint_url,
                verify=None if repository.verify_certificate else False,
                config=config,
            )
    return clients


def _run_all(tasks: Sequence[Callable[[], None]]) -> None:
    """Run tasks at the same time; the first error is raised when all that run have ended.

    The threads are daemons: a pool's would keep a process that is told to stop.
    """
    waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    errors: list[BaseException] = []
    for task in tasks:
        waiting.put(task)

    def work() -> None:
        with suppress(queue.Empty):
            while not errors:
                waiting.get_nowait()()

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=guarded, name=f"fetch-{number}", daemon=True)
        for number in range(min(PARALLEL, len(tasks)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _fetch_one(item: Download, client: Any, state: _State) -> None:
    place = f"{item.repository.bucket}/{item.file.remote_path}"
    try:
        head = client.head_object(
            Bucket=item.repository.bucket, Key=item.file.remote_path, ChecksumMode="ENABLED"
        )
        if state.has(item.target, head):
            logger.info("%s is already there", item.file.local_path)
            return
        _download(item, client, head)
        state.add(item.target, head)
    except StartupError:
        raise
    except Exception as error:
        raise StartupError(
            f"the model file {place} cannot be fetched to {item.file.local_path!r}: {error}"
        ) from error


def _download(item: Download, client: Any, head: dict[str, Any]) -> None:
    from boto3.s3.transfer import TransferConfig

    started = time.monotonic()
    target = item.target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            client.download_fileobj(
                item.repository.bucket,
                item.file.remote_path,
                file,
                # in this thread: those of the library would keep a process that is told to stop
                Config=TransferConfig(use_threads=False, num_download_attempts=ATTEMPTS),
                Callback=_Progress(item.file.local_path, head["ContentLength"]),
            )
            file.flush()
            os.fsync(file.fileno())
        _verify(part, item.file.remote_path, head)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    logger.info(
        "fetched %s (%.1f MB) in %.1f s",
        item.file.local_path,
        head["ContentLength"] / MEGABYTE,
        time.monotonic() - started,
    )


class _Progress:
    """Logs now and then how much of a large file is there."""

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._done = 0
        self._told = time.monotonic()

    def __call__(self, size: int) -> None:
        self._done += size
        now = time.monotonic()
        if now - self._told >= PROGRESS_INTERVAL:
            self._told = now
            logger.info("fetching %s: %d of %d bytes", self._name, self._done, self._total)


def _verify(path: Path, name: str, head: dict[str, Any]) -> None:
    """Compare size and, where the bucket keeps one of the whole object, a checksum."""
    size = path.stat().st_size
    if size != head["ContentLength"]:
        raise StartupError(f"{name} has {head['ContentLength']} bytes, {size} were received")
    for field, digest in CHECKSUMS.items():
        wanted = head.get(field)
        # "-3" at its end: a checksum of the checksums of 3 parts
        if wanted and "-" not in wanted and digest(path) != wanted:
            raise StartupError(f"{name} was received with a wrong checksum ({field})")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return _base64(hashlib.file_digest(file, "sha256").digest())


def _crc32(path: Path) -> str:
    value = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            value = zlib.crc32(block, value)
    return _base64(value.to_bytes(4, "big"))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


CHECKSUMS = {"ChecksumSHA256": _sha256, "ChecksumCRC32": _crc32}
