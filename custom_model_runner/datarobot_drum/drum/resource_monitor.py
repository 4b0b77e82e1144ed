"""Memory and CPU of this worker and of its container (cgroup v1 and v2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

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


def container_memory(
    root: Path = CGROUP_ROOT, proc: Path = OWN_CGROUPS
) -> tuple[int | None, int | None, int | None]:
    """Limit, usage and peak in bytes: the smallest limit up the tree, usage of the own group."""
    version, folder, top = own_cgroup(root, proc)
    limit_file, usage_file, peak_file = CGROUP_FILES[version]
    groups = [folder, *folder.parents]
    limits = [read_number(group / limit_file) for group in groups[: groups.index(top) + 1]]
    return (
        min((limit for limit in limits if limit is not None), default=None),
        read_number(folder / usage_file),
        read_number(folder / peak_file),
    )


#: Options of `drum` whose values are secret, or may hold one.
SECRET_OPTIONS = frozenset({"--api-token", "--monitor-settings"})
HIDDEN = "*****"


class ResourceMonitor:
    """Figures of this process for `/stats/`; what cannot be read is None, never an error."""

    def __init__(self, root: Path = CGROUP_ROOT, proc: Path = OWN_CGROUPS) -> None:
        self._root = root
        self._proc = proc
        self._process = psutil.Process()
        # the first call only sets the starting point
        self._process.cpu_percent()

    def process_info(self) -> dict[str, Any]:
        """Pid, command line, resident MiB and CPU percent since the last call."""
        return {
            "pid": self._process.pid,
            "cmdline": _without_secrets(self._process.cmdline()),
            "mem": self._process.memory_info().rss / MIB,
            "cpu_percent": self._process.cpu_percent(),
        }

    def memory_info(self, resident: float) -> dict[str, float | None]:
        """MiB of host and container; with a container limit, `avail` and `free` are within it."""
        host = psutil.virtual_memory()
        limit, used, peak = container_memory(self._root, self._proc)
        available, free = host.available, host.free
        if limit is not None and used is not None and limit < host.total:
            available = free = max(limit - used, 0)
        else:
            limit = used = peak = None
        return {
            "total": mib(host.total),
            "avail": mib(available),
            "free": mib(free),
            "drum_rss": resident,
            "container_limit": mib(limit),
            "container_used": mib(used),
            "container_max_used": mib(peak),
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
