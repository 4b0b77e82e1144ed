"""CPU and memory of process trees and of the whole machine, from /proc. Linux only."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

LIBRARIES = (
    "pandas",
    "numpy",
    "scikit-learn",
    "flask",
    "werkzeug",
    "gunicorn",
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
)
TICKS = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1_000_000


def process_tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants; empty when it has ended."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """CPU time of the processes so far, descendants that have ended included."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def machine_cpu_seconds() -> float:
    """CPU time that anybody used on this machine since it started."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _wait, irq, soft_irq = (int(word) for word in words[1:8])
    return (user + nice + system + irq + soft_irq) / TICKS


def _kilobytes(pid: int, file: str, field: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _sum_megabytes(processes: Iterable[psutil.Process], file: str, field: str) -> float:
    total = sum(_kilobytes(process.pid, file, field) for process in processes)
    return total * 1024 / MEGABYTE


def pss_megabytes(processes: Iterable[psutil.Process]) -> float:
    """Memory in use, with pages that several processes share counted once."""
    return _sum_megabytes(processes, "smaps_rollup", "Pss")


def rss_megabytes(processes: Iterable[psutil.Process]) -> float:
    """Memory in use, shared pages counted in each process."""
    return _sum_megabytes(processes, "status", "VmRSS")


def peak_megabytes(processes: Iterable[psutil.Process]) -> float:
    """Sum of the largest memory each process ever had since the last `reset_peaks`."""
    return _sum_megabytes(processes, "status", "VmHWM")


def reset_peaks(processes: Iterable[psutil.Process]) -> None:
    """Let the peaks of own processes start again from their present memory."""
    for process in processes:
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")


@dataclass(frozen=True)
class Mark:
    """Wall clock and CPU counters at one moment."""

    at: float
    machine: float
    ours: float
    server: float


@dataclass(frozen=True)
class Usage:
    """CPU use between two marks: seconds of the server, cores of the server and of strangers."""

    server_seconds: float
    server_cores: float
    foreign_cores: float


def mark(server_pid: int) -> Mark:
    """Read all counters now; "ours" is this process with everything that it started."""
    return Mark(
        time.perf_counter(),
        machine_cpu_seconds(),
        cpu_seconds(process_tree(os.getpid())),
        cpu_seconds(process_tree(server_pid)),
    )


def usage(begin: Mark, end: Mark) -> Usage:
    """What was used between two marks."""
    wall = max(1e-6, end.at - begin.at)
    server = end.server - begin.server
    foreign = (end.machine - begin.machine) - (end.ours - begin.ours)
    return Usage(server, server / wall, max(0.0, foreign / wall))


def wait_until(condition: Callable[[], bool], patience: float) -> bool:
    """Ask until the condition holds or the patience, in seconds, is over."""
    end = time.perf_counter() + patience
    while not condition():
        if time.perf_counter() > end:
            return False
    return True


def is_idle(pid: int, window: float = 0.1) -> bool:
    """Whether a process tree used next to no CPU during the window."""
    before = cpu_seconds(process_tree(pid))
    time.sleep(window)
    return cpu_seconds(process_tree(pid)) - before < 0.2 * window


def is_quiet(limit: float, window: float = 0.2) -> bool:
    """Whether strangers used less than `limit` cores during the window."""
    before = mark(os.getpid())
    time.sleep(window)
    return usage(before, mark(os.getpid())).foreign_cores < limit


def _cpu_name() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def describe_machine() -> str:
    """One line: processor, cores, memory, system, Python."""
    memory = psutil.virtual_memory().total / 1e9
    return (
        f"{psutil.cpu_count()} cores ({_cpu_name()}), {memory:.0f} GB, "
        f"{platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def describe_versions() -> str:
    """One line: the installed libraries that matter here."""
    versions = []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    return ", ".join(versions)


def describe_commit(root: Path) -> str:
    """The commit that is checked out, `+` for local changes; empty outside a repository."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=10"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip()
