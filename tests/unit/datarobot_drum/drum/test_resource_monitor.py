"""Memory of cgroup trees of every kind, built in a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from datarobot_drum.drum.resource_monitor import (
    MIB,
    ResourceMonitor,
    _without_secrets,
    container_memory,
    mib,
    own_cgroup,
    read_number,
)

V1_UNLIMITED = 9223372036854771712
#: what the kernel shows for a limit of 2**63-1 where a page has 64 KiB
V1_UNLIMITED_LARGE_PAGES = 9223372036854710272


def group(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")
    return folder


def memberships(tmp_path: Path, text: str) -> Path:
    proc = tmp_path / "proc_self_cgroup"
    proc.write_text(text)
    return proc


def v2(limit: object, used: int = 10, peak: int | None = 20) -> dict[str, object]:
    files: dict[str, object] = {"memory__max": limit, "memory__current": used}
    return files if peak is None else {**files, "memory__peak": peak}


def v1(limit: object, used: int = 10, peak: int = 20) -> dict[str, object]:
    return {
        "memory__limit_in_bytes": limit,
        "memory__usage_in_bytes": used,
        "memory__max_usage_in_bytes": peak,
    }


def test_v2_own_group_gives_limit_usage_and_peak(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "pod", **v2(100))
    proc = memberships(tmp_path, "0::/pod\n")
    assert container_memory(root, proc) == (100, 10, 20)


@pytest.mark.parametrize(
    ("limits", "smallest"),
    [((500, 100, 300), 100), (("max", 400, "max"), 400), (("max", "max", "max"), None)],
)
def test_v2_smallest_limit_up_the_tree_counts(
    limits: tuple[object, ...], smallest: int | None, tmp_path: Path
) -> None:
    root = tmp_path / "cgroup"
    for folder, limit in zip(("a", "a/b", "a/b/c"), limits, strict=True):
        group(root / folder, **v2(limit, used=len(folder)))
    proc = memberships(tmp_path, "0::/a/b/c\n")
    assert container_memory(root, proc) == (smallest, 5, 20)


def test_v2_search_ends_at_the_root(tmp_path: Path) -> None:
    group(tmp_path, **v2(1))
    root = group(tmp_path / "cgroup", **v2(50))
    assert container_memory(root, memberships(tmp_path, "0::/\n"))[0] == 50


def test_v2_old_kernel_has_no_peak(tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2(100, peak=None))
    assert container_memory(root, memberships(tmp_path, "0::/\n")) == (100, 10, None)


@pytest.mark.parametrize("path", ["/the/host/s/path", "/../../other", "/"])
def test_v2_inside_a_container_the_own_group_is_the_root(path: str, tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2(100))
    assert container_memory(root, memberships(tmp_path, f"0::{path}\n")) == (100, 10, 20)


def test_v1_memory_group_is_found_among_the_controllers(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "memory" / "docker" / "x:y", **v1(100))
    proc = memberships(tmp_path, "3:cpu,cpuacct:/a\n2:memory,hugetlb:/docker/x:y\n0::/\n")
    assert own_cgroup(root, proc) == (
        1,
        root / "memory" / "docker" / "x:y",
        root / "memory",
    )
    assert container_memory(root, proc) == (100, 10, 20)


@pytest.mark.parametrize("limit", [V1_UNLIMITED, V1_UNLIMITED_LARGE_PAGES, 2**63 - 1])
def test_v1_huge_limit_is_none(limit: int, tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "memory", **v1(limit))
    assert container_memory(root, memberships(tmp_path, "2:memory:/\n")) == (None, 10, 20)


def test_v1_limit_of_a_parent_counts(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "memory" / "pod", **v1(300))
    group(root / "memory" / "pod" / "c", **v1(V1_UNLIMITED, used=7))
    assert container_memory(root, memberships(tmp_path, "2:memory:/pod/c\n")) == (300, 7, 20)


@pytest.mark.parametrize("text", ["", "nonsense\n", "1:name=systemd:/x\n"])
def test_machine_without_memory_groups_has_no_figures(text: str, tmp_path: Path) -> None:
    proc = memberships(tmp_path, text)
    assert container_memory(tmp_path / "none", proc) == (None, None, None)


def test_machine_without_proc_has_no_figures(tmp_path: Path) -> None:
    assert container_memory(tmp_path / "none", tmp_path / "no_proc") == (None, None, None)


@pytest.mark.parametrize(
    ("text", "expected"), [("5\n", 5), ("0", 0), ("max\n", None), ("", None), ("1 2", None)]
)
def test_number_of_a_file_is_none_where_there_is_none(
    text: str, expected: int | None, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text(text)
    assert read_number(tmp_path / "file") == expected
    assert read_number(tmp_path / "missing") is None
    assert read_number(tmp_path) is None


def test_bytes_are_shown_as_mib() -> None:
    assert mib(3 * MIB) == 3.0
    assert mib(None) is None


def test_process_figures_are_those_of_this_process() -> None:
    facts = ResourceMonitor().process_info()
    assert facts["pid"] == os.getpid()
    assert facts["cmdline"]
    assert facts["mem"] > 1
    assert facts["cpu_percent"] >= 0


def test_memory_within_a_container_is_what_its_limit_leaves(tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2(100 * MIB, 30 * MIB, 40 * MIB))
    figures = ResourceMonitor(root, memberships(tmp_path, "0::/\n")).memory_info(5.0)
    assert figures == {
        "total": psutil.virtual_memory().total / MIB,
        "avail": 70.0,
        "free": 70.0,
        "drum_rss": 5.0,
        "container_limit": 100.0,
        "container_used": 30.0,
        "container_max_used": 40.0,
    }


def test_memory_over_the_limit_leaves_nothing(tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2(100, 130))
    figures = ResourceMonitor(root, memberships(tmp_path, "0::/\n")).memory_info(5.0)
    assert figures["avail"] == figures["free"] == 0


@pytest.mark.parametrize("limit", ["max", 2**62])
def test_memory_without_a_real_limit_is_the_host_s(limit: object, tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2(limit))
    figures = ResourceMonitor(root, memberships(tmp_path, "0::/\n")).memory_info(5.0)
    assert figures["container_limit"] is None
    assert figures["container_used"] is None
    assert figures["container_max_used"] is None
    assert (figures["avail"] or 0) > 1
    assert set(figures) >= {"total", "free", "drum_rss"}


def test_memory_of_this_machine_can_be_told() -> None:
    monitor = ResourceMonitor()
    assert monitor.memory_info(monitor.process_info()["mem"])["total"]


def test_command_line_is_told_without_its_secrets() -> None:
    line = ["drum", "--api-token", "s1", "--verbose", "--api-token=s2", "--monitor-settings", "s3"]
    assert _without_secrets(line) == [
        *("drum", "--api-token", "*****", "--verbose"),
        *("--api-token=*****", "--monitor-settings", "*****"),
    ]
