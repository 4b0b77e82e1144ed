"""Memory and CPU of processes and of their container (cgroup v1 and v2)."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

logger = logging.getLogger("drum.memory")

MIB = 1024 * 1024
#: From here on a cgroup v1 limit means "no limit" (the kernel rounds 2**63-1 down to a page).
UNLIMITED = 2**63 - 4096 * 16

CGROUP_ROOT = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
#: file names of limit, usage and peak, by cgroup version
CGROUP_FILES = {
    2: ("memory.max", "memory.current", "memory.peak"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.max_usage_in_bytes"),
}
#: where the bytes stand that the kernel gives back before it kills, by cgroup version
INACTIVE_FILE = {2: "inactive_file", 1: "total_inactive_file"}

#: files of Docker and Podman, and of the account that Kubernetes gives a pod
CONTAINER_FILES = (
    Path("/.dockerenv"),
    Path("/run/.containerenv"),
    Path("/var/run/secrets/kubernetes.io/serviceaccount"),
)
KUBERNETES_VARIABLE = "KUBERNETES_SERVICE_HOST"

#: Seconds for which figures that cost the kernel time are told again.
MAX_AGE = 10.0
#: ... and the share of the time that reading them may take.
MAX_SHARE = 0.01


def mib(value: int | None) -> float | None:
    """Bytes as MiB."""
    return None if value is None else value / MIB


def read_number(path: Path) -> int | None:
    """The number in a cgroup file; None where there is none, no file or no limit."""
    try:
        value = int(path.read_text().strip())
    except (OSError, ValueError):
        return None
    return None if value >= UNLIMITED else value


def own_cgroup(root: Path = CGROUP_ROOT, proc: Path = OWN_CGROUPS) -> tuple[int, Path, Path]:
    """Version, folder of this process's memory group, and the folder where the search ends."""
    try:
        lines = [line.split(":", 2) for line in proc.read_text().splitlines()]
    except OSError:
        lines = []
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if "memory" in controllers.split(","):
            return 1, _existing(root / "memory", path), root / "memory"
    path = next((line[2] for line in lines if len(line) == 3 and line[0] == "0"), "/")
    return 2, _existing(root, path), root


def _existing(root: Path, path: str) -> Path:
    # inside a container the path in /proc is the host's, while its own group is mounted as root
    folder = root / path.lstrip("/")
    return folder if folder.is_dir() else root


@dataclass(frozen=True)
class ContainerMemory:
    """Bytes of this process's memory group; None where the kernel does not tell.

    `limit` is the smallest one up the tree, the others are those of the own group.
    """

    limit: int | None = None
    used: int | None = None
    peak: int | None = None
    inactive_file: int | None = None

    @property
    def left(self) -> int | None:
        """What may still be used: pages of files that nobody needs are given back first."""
        if self.limit is None or self.used is None:
            return None
        return min(max(self.limit - self.used + (self.inactive_file or 0), 0), self.limit)


def container_memory(root: Path = CGROUP_ROOT, proc: Path = OWN_CGROUPS) -> ContainerMemory:
    """The figures of the memory group that this process is in."""
    version, folder, top = own_cgroup(root, proc)
    limit_file, usage_file, peak_file = CGROUP_FILES[version]
    groups = [folder, *folder.parents]
    limits = [read_number(group / limit_file) for group in groups[: groups.index(top) + 1]]
    return ContainerMemory(
        min((limit for limit in limits if limit is not None), default=None),
        read_number(folder / usage_file),
        read_number(folder / peak_file),
        _stat(folder / "memory.stat", INACTIVE_FILE[version]),
    )


def _stat(path: Path, name: str) -> int | None:
    try:
        found = re.search(rf"^{name} (\d+)$", path.read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return None
    return int(found[1]) if found else None


def in_container(
    files: tuple[Path, ...] = CONTAINER_FILES, environ: Mapping[str, str] = os.environ
) -> bool:
    """Is there a sign that this process runs in a container? A finite limit is one, too."""
    return KUBERNETES_VARIABLE in environ or any(map(os.path.exists, files))


def process_memory(pid: int) -> dict[str, int]:
    """Bytes of one process: rss, vms, shared, and pss where the kernel tells it.

    Empty when there is no such process. PSS counts a page that n processes share as its nth part.
    """
    try:
        figures = psutil.Process(pid).memory_info()
    except psutil.Error:
        return {}
    sizes = {name: getattr(figures, name, None) for name in ("rss", "vms", "shared")}
    sizes["pss"] = proportional_memory(pid)
    return {name: size for name, size in sizes.items() if size is not None}


def proportional_memory(pid: int, proc: Path = Path("/proc")) -> int | None:
    """The PSS of a process in bytes; None where the system does not tell."""
    try:
        text = (proc / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


#: Options of `drum` whose values are secret, or may hold one.
SECRET_OPTIONS = frozenset({"--api-token", "--monitor-settings"})
HIDDEN = "*****"


class ResourceMonitor:
    """Figures of this process and its container; what cannot be read is None, never an error.

    Figures that cost more than a microsecond or two are read at most every ten seconds, and take at
    most a hundredth of the time: PSS costs 20 ms for each GiB of a process. Thread-safe.
    """

    def __init__(
        self,
        root: Path = CGROUP_ROOT,
        proc: Path = OWN_CGROUPS,
        *,
        is_container: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._proc = proc
        self._is_container = in_container() if is_container is None else is_container
        self._clock = clock
        self._lock = threading.Lock()
        #: by name, until when the figures are told again
        self._kept: dict[str, tuple[float, Any]] = {}
        self._process = psutil.Process()
        # the first call only sets the starting point
        self._process.cpu_percent()

    def _recent(self, name: str, read: Callable[[], Any]) -> Any:
        with self._lock:
            begun = self._clock()
            until, figures = self._kept.get(name, (begun, None))
            if figures is None or begun >= until:
                figures = read()
                now = self._clock()
                self._kept[name] = now + max(MAX_AGE, (now - begun) / MAX_SHARE), figures
            return figures

    def process_info(self) -> dict[str, Any]:
        """Pid, command line, resident MiB and CPU percent since the last call."""
        return {
            "pid": self._process.pid,
            "cmdline": _without_secrets(self._process.cmdline()),
            "mem": self._process.memory_info().rss / MIB,
            "cpu_percent": self._process.cpu_percent(),
        }

    def process_memory(self) -> dict[str, int]:
        """Bytes by kind: rss, pss, vms, shared."""
        sizes: dict[str, int] = self._recent("process", lambda: process_memory(self._process.pid))
        return sizes

    def container(self) -> ContainerMemory:
        """Bytes of the container; nothing outside one."""
        figures: ContainerMemory = self._recent("container", self._read_container)
        return figures

    def _read_container(self) -> ContainerMemory:
        figures = container_memory(self._root, self._proc)
        total = psutil.virtual_memory().total
        if figures.limit is not None and figures.limit >= total:
            # more than there is limits nothing
            figures = replace(figures, limit=None)
        is_container = self._is_container or figures.limit is not None
        return figures if is_container else ContainerMemory()

    def container_bytes(self) -> dict[str, int]:
        """The figures of the container that are known, by kind."""
        figures = vars(self.container())
        return {name: size for name, size in figures.items() if size is not None}

    def memory_info(self, resident: float) -> dict[str, float | None]:
        """MiB of host and container; with a container limit, `avail` and `free` are within it."""
        host, container = psutil.virtual_memory(), self.container()
        available, free = host.available, host.free
        if container.left is not None:
            available = free = container.left
        return {
            "total": mib(host.total),
            "avail": mib(available),
            "free": mib(free),
            "drum_rss": resident,
            "container_limit": mib(container.limit),
            "container_used": mib(container.used),
            "container_max_used": mib(container.peak),
        }


def _without_secrets(words: list[str]) -> list[str]:
    """A command line whose secrets nobody can read from `/stats/`."""
    shown, previous = [], ""
    for word in words:
        option, equals, _ = word.partition("=")
        if previous in SECRET_OPTIONS:
            shown.append(HIDDEN)
        else:
            shown.append(f"{option}={HIDDEN}" if equals and option in SECRET_OPTIONS else word)
        previous = word
    return shown
