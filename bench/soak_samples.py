"""What a soaked server holds at a quiet moment, and what it leaves when it has stopped."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from measure import is_idle, process_tree, pss_megabytes, rss_megabytes, wait_until

FIGURES = ("rss", "pss", "descriptors", "threads")
QUIET_PATIENCE = 5.0
STOP_PATIENCE = 30.0
#: the file that says which folder of metrics belongs to a server
IN_USE = "in-use.lock"
#: what Python says of sockets and files that nobody closed
WARNINGS = re.compile(r".*(?:ResourceWarning|unclosed|was never awaited|never retrieved).*")


@dataclass(frozen=True)
class Process:
    """One process of a server; memory in MB. `answered` counts predictions that it made."""

    pid: int
    is_worker: bool
    born: float
    answered: int
    rss: float
    pss: float
    descriptors: float
    threads: float


@dataclass(frozen=True)
class Sample:
    """A server at a quiet moment, `seconds` after its traffic began."""

    seconds: float
    requests: int
    files: int
    sockets: int
    zombies: int
    processes: Sequence[Process]

    @property
    def workers(self) -> list[Process]:
        """The processes that have a model."""
        return [process for process in self.processes if process.is_worker]

    def total(self, figure: str) -> float:
        """A figure of the whole tree."""
        return float(sum(getattr(process, figure) for process in self.processes))

    @classmethod
    def read(cls, data: Mapping[str, object]) -> Sample:
        """From its JSON object."""
        fields = dict(data)
        processes = fields.pop("processes")
        assert isinstance(processes, list)
        return cls(processes=[Process(**each) for each in processes], **fields)  # type: ignore[arg-type] # as asdict wrote them


@dataclass(frozen=True)
class Ending:
    """How a server stopped and what it left behind."""

    exit_code: int
    survivors: int
    leftovers: Sequence[str]
    warnings: Sequence[str]


def _sockets(processes: Sequence[psutil.Process]) -> int:
    """Connections that are not closed by now."""
    count = 0
    for process in processes:
        try:
            found = process.net_connections("tcp")
        except psutil.Error:
            continue
        count += sum(each.status in ("ESTABLISHED", "CLOSE_WAIT") for each in found)
    return count


def _zombies(processes: Sequence[psutil.Process]) -> int:
    count = 0
    for process in processes:
        try:
            count += process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
    return count


def metrics_folder(root: int) -> Path | None:
    """Where a server keeps the figures that its workers share."""
    try:
        links = list(Path(f"/proc/{root}/fd").iterdir())
        targets = [link.readlink() for link in links]
    except OSError:
        return None
    return next((target.parent for target in targets if target.name == IN_USE), None)


def files_of(folders: Sequence[Path | None]) -> list[str]:
    """The files below all folders that there are."""
    return sorted(
        path.name
        for folder in folders
        if folder is not None and folder.is_dir()
        for path in folder.rglob("*")
        if path.is_file()
    )


class Observer:
    """Takes samples of one server, whose temporary files are in `temporary`."""

    def __init__(self, root: int, temporary: Path, has_arbiter: bool) -> None:
        self._root = root
        self._temporary = temporary
        self._has_arbiter = has_arbiter
        self._begin = time.time()
        self._metrics = metrics_folder(root)

    def sample(self, requests: int, by_worker: Mapping[int, int]) -> Sample:
        """Wait until the server is quiet, for some seconds at most, and look at it."""
        wait_until(lambda: is_idle(self._root), QUIET_PATIENCE)
        wait_until(self._has_let_go, QUIET_PATIENCE)
        tree = process_tree(self._root)
        processes = [self._process(each, by_worker) for each in tree]
        return Sample(
            seconds=time.time() - self._begin,
            requests=requests,
            files=len(files_of([self._temporary, self._metrics])),
            sockets=_sockets(tree),
            zombies=_zombies(tree),
            processes=[process for process in processes if process is not None],
        )

    def _has_let_go(self) -> bool:
        tree = process_tree(self._root)
        return not _sockets(tree) and not _zombies(tree)

    def _process(self, process: psutil.Process, by_worker: Mapping[int, int]) -> Process | None:
        """None when it has just ended."""
        try:
            parent = process.ppid()
            return Process(
                pid=process.pid,
                is_worker=parent == self._root if self._has_arbiter else process.pid == self._root,
                born=process.create_time() - self._begin,
                answered=by_worker.get(process.pid, 0),
                rss=rss_megabytes([process]),
                pss=pss_megabytes([process]),
                descriptors=process.num_fds(),
                threads=process.num_threads(),
            )
        except psutil.Error:
            return None

    def end(self, server: subprocess.Popen[bytes], log: Path) -> Ending:
        """Stop the server as operators do, and look for what it leaves."""
        family = process_tree(self._root)
        server.send_signal(signal.SIGTERM)
        try:
            code = server.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        alive = psutil.wait_procs(family, timeout=2)[1]
        warnings = [line for line in _lines(log) if WARNINGS.match(line)]
        left = files_of([self._temporary, self._metrics])
        return Ending(code, len(alive), left[:20], sorted(set(warnings))[:20])


def _lines(log: Path) -> list[str]:
    with log.open(errors="replace") as lines:
        return [line.rstrip("\n") for line in lines if WARNINGS.match(line)]


def as_json(value: Sample | Ending) -> dict[str, object]:
    """What `json` can write."""
    return asdict(value)
