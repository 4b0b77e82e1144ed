"""Values of metrics in files that all processes of a server share; see `metric_files`.

It replaces `prometheus_client.values.MultiProcessValue`, which takes the folder from an environment
variable, asks for the process id at each count, and lets a full disk kill the process: a page of a
mapped file that cannot be stored is a SIGBUS.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict, mmap_key

logger = logging.getLogger("drum.metrics")

#: Bytes of a new file; it doubles when it is full.
INITIAL_SIZE = 16 * 1024

#: told to model code that asks for it, when its operator had set it
LIBRARY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class ValueFile(MmapedDict):
    """A file of values whose every page is on the disk before it is written to."""

    def __init__(self, path: Path) -> None:
        with path.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, INITIAL_SIZE)
        super().__init__(str(path))  # type: ignore[no-untyped-call]  # the library's

    def _init_value(self, key: str) -> None:
        # the entry: key, its padding to 8 bytes, its length, value and time
        if self._used + len(key.encode()) + 8 + 4 + 16 > self._capacity:
            os.posix_fallocate(self._f.fileno(), 0, 2 * self._capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]  # the library's


class Unsaved:
    """What takes the place of a file that cannot be made or grown: its values are lost."""

    def read_value(self, key: str) -> tuple[float, float]:
        """Nothing was counted."""
        return 0.0, 0.0

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Nothing is kept."""


class Store:
    """The files of this process, each made when its first value is; a fork starts with none.

    `generation` changes in a fork, whose values must not be written over those of its parent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, ValueFile | Unsaved] = {}
        #: they take no further values, but keep those that they have
        self._full: list[ValueFile | Unsaved | None] = []
        self.lock = threading.Lock()
        self.generation = 0
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        self._files = {}
        self.lock = threading.Lock()
        self.generation += 1

    def file(self, kind: str) -> ValueFile | Unsaved:
        """The file of all metrics of one kind."""
        if kind not in self._files:
            path = self._folder / f"{kind}_{os.getpid()}.db"
            try:
                self._files[kind] = ValueFile(path)
            except OSError as error:
                self.give_up(kind, error)
        return self._files[kind]

    def give_up(self, kind: str, error: OSError) -> None:
        """Figures of this kind are lost from now on."""
        logger.error("cannot keep figures in %s: %s; metrics are incomplete", self._folder, error)
        self._full.append(self._files.get(kind))
        self._files[kind] = Unsaved()


class SharedValue:
    """One value; a subclass knows the `store` that it is kept in. Thread-safe."""

    _multiprocess = True
    store: Store
    _value: float
    _time: float

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Any,
        labelvalues: Any,
        help_text: str,
        multiprocess_mode: str = "",
        **unused: Any,
    ) -> None:
        self._kind = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        self._key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
        with self.store.lock:
            self._open()

    def _open(self) -> None:
        self._generation = self.store.generation
        self._file = self.store.file(self._kind)
        try:
            self._value, self._time = self._file.read_value(self._key)
        except OSError as error:
            self.store.give_up(self._kind, error)
            self._file, self._value, self._time = self.store.file(self._kind), 0.0, 0.0

    def inc(self, amount: float) -> None:
        """Add to it."""
        store = self.store
        with store.lock:
            if self._generation != store.generation:
                self._open()
            self._value += amount
            self._file.write_value(self._key, self._value, 0.0)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace it."""
        store = self.store
        with store.lock:
            if self._generation != store.generation:
                self._open()
            self._value, self._time = value, timestamp or 0.0
            self._file.write_value(self._key, value, self._time)

    def get(self) -> float:
        """What this process has counted."""
        store = self.store
        with store.lock:
            if self._generation != store.generation:
                self._open()
            return self._value

    def set_exemplar(self, exemplar: Any) -> None:
        """Nothing: there are none in files."""

    def get_exemplar(self) -> None:
        """There are none in files."""
        return None


def keep_values_in(folder: Path) -> None:
    """From now on keep the values of every new metric there, those of model code included."""
    store = Store(folder)
    values.ValueClass = type("StoredValue", (SharedValue,), {"store": store})
    if LIBRARY_VARIABLE in os.environ:
        os.environ[LIBRARY_VARIABLE] = str(folder)
