"""The files in which the workers of one server keep their figures, so that each can tell all.

They are those of `prometheus_client`'s multiprocess mode: a file for each process and kind of
metric, mapped into memory, whose contents outlive the process. What is added here: the folder is
this server's own and known without `PROMETHEUS_MULTIPROC_DIR`, which child processes of model code
would inherit; the files of processes that have ended become one; a full disk costs figures, not
the server. Nothing heavy may be imported on top: the arbiter imports this module.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import Metric

logger = logging.getLogger("drum.metrics")

#: where the arbiter tells its workers the folder
FOLDER_VARIABLE = "DRUM_METRICS_FOLDER"

PREFIX = "drum-metrics-"
#: memory where there is some: a disk that is busy would stop a worker that counts
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # a private folder is made in it
#: names in the folder: who uses it, who reads or merges files, and the sums of ended processes
IN_USE, READING, ENDED = "in-use.lock", "reading.lock", "ended"
#: ending of new sums that hold the figures of the process in their name: they count in place of
#: that process's file and of the former sums, whoever is killed before those are gone
HELD = ".held"
#: kinds of metric whose values are summed over processes; those of gauges end with their process
SUMMED = ("counter", "histogram", "summary")
#: Seconds to wait for another process that merges files.
PATIENCE = 2.0


class MetricFiles:
    """The folder of one server's figures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, places: Iterable[Path] = ()) -> MetricFiles:
        """An empty folder that only this user can read; folders of servers that ended go.

        It counts as used until this process and all its forks have ended. OSError where no
        folder can be made.
        """
        *first, last = tuple(places) or _places()
        for place in first:
            with suppress(OSError):
                return cls(_new_folder(place))
        return cls(_new_folder(last))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> MetricFiles | None:
        """The folder that the arbiter told its workers; none where there is one process."""
        folder = environ.get(FOLDER_VARIABLE)
        return cls(Path(folder)) if folder else None

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def forget(self, pid: int) -> None:
        """A process has ended: its gauges go, and what it counted goes into the common sums."""
        self._drop_gauges(pid)
        self.sweep(pid)

    def sweep(self, ended: int | None = None) -> None:
        """Put the sums of all ended processes into one file.

        Nothing is done while another process reads or merges: the sums are right in many files,
        too, and somebody sweeps the next time.
        """
        pids = {pid for pid in self._pids() if pid == ended or not _is_alive(pid)}
        if not pids:
            return
        with self._locked(fcntl.LOCK_EX, patience=0) as is_held:
            if is_held:
                try:
                    self._merge(pids)
                except OSError as error:
                    # a full disk: the next one tries again
                    logger.debug("cannot merge figures in %s: %s", self.folder, error)

    def _merge(self, pids: Iterable[int]) -> None:
        self._settle()
        for pid in pids:
            self._drop_gauges(pid)
            for kind in SUMMED:
                own = self.folder / f"{kind}_{pid}.db"
                if own.exists():
                    _add(self._sums(own), own)
                    self._settle()

    def _settle(self) -> None:
        """Finish what a merge has begun; it may be one whose process was killed."""
        for held in self.folder.glob(f"*{HELD}"):
            held.with_suffix(".db").unlink(missing_ok=True)
            held.replace(self._sums(held))

    def _sums(self, path: Path) -> Path:
        """The sums of ended processes of the same kind."""
        return path.with_name(f"{path.name.partition('_')[0]}_{ENDED}.db")

    def _valid(self) -> set[Path]:
        """The files that count."""
        held = set(self.folder.glob(f"*{HELD}"))
        gone = {path.with_suffix(".db") for path in held} | {self._sums(path) for path in held}
        return set(filter(_has_values, held | (set(self.folder.glob("*.db")) - gone)))

    def families(self) -> Iterable[Metric]:
        """Every metric, with the figures of all processes; TimeoutError when that cannot be."""
        from prometheus_client.multiprocess import MultiProcessCollector

        self.sweep()
        with self._locked(fcntl.LOCK_SH, PATIENCE) as is_held:
            if not is_held:
                raise TimeoutError(f"{self.folder} is being changed by another process")
            files = map(str, sorted(self._valid()))
            families: Iterable[Metric] = MultiProcessCollector.merge(files)
            return families

    def _pids(self) -> set[int]:
        names = [path.stem.rpartition("_")[2] for path in self.folder.glob("*.db")]
        return {int(name) for name in names if name.isdigit()}

    def _drop_gauges(self, pid: int) -> None:
        for path in self.folder.glob(f"gauge_*_{pid}.db"):
            path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, how: int, patience: float) -> Iterator[bool]:
        """Whether the lock of the files is held, for as long as the block runs."""
        try:
            descriptor = os.open(self.folder / READING, os.O_CREAT | os.O_RDWR, 0o600)
        except FileNotFoundError:
            # the server ends: there is nothing left to read or to merge
            yield False
            return
        try:
            yield _hold(descriptor, how, patience)
        finally:
            os.close(descriptor)


def _new_folder(place: Path) -> Path:
    remove_unused(place)
    # under another name until its lock is held: nobody may take it for an unused one
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=place))
    _hold(os.open(new / IN_USE, os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_EX)
    return new.rename(new.with_name(new.name.removeprefix(".")))


def remove_unused(place: Path) -> None:
    """Delete the folders that servers of this user left behind when they were killed."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(folder / IN_USE, os.O_RDWR)
            try:
                if _hold(descriptor, fcntl.LOCK_EX):
                    shutil.rmtree(folder)
                    logger.info("removed %s, which a server had left behind", folder)
            finally:
                os.close(descriptor)


def _places() -> tuple[Path, ...]:
    usual = Path(tempfile.gettempdir())
    if os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        return SHARED_MEMORY, usual
    return (usual,)


def _hold(descriptor: int, how: int, patience: float = 0) -> bool:
    """Take a lock; False when others keep it for longer than `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            # a call that blocks would stop all greenlets of a gevent worker
            time.sleep(0.005)
        else:
            return True


def _has_values(path: Path) -> bool:
    """An empty file is one that its process has only begun, perhaps before it was killed."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _add(sums: Path, own: Path) -> None:
    """Make new sums beside those that are there, with the values of `own`; OSError."""
    from prometheus_client.mmap_dict import MmapedDict

    from datarobot_drum.drum.observability.shared_values import ValueFile

    totals: dict[str, float] = {}
    for path in filter(_has_values, (sums, own)):
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
            totals[key] = totals.get(key, 0.0) + value
    new = sums.with_suffix(".new")
    new.unlink(missing_ok=True)
    # it asks for its room, where the library's own would be a SIGBUS on a full disk
    written: Any = ValueFile(new)
    for key, value in totals.items():
        written.write_value(key, value, 0.0)
    written.close()
    new.replace(own.with_suffix(HELD))
