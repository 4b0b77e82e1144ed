"""Row 13 of the conformance table: memory of cgroup trees of every kind, built in a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from datarobot_drum.drum import resource_monitor
from datarobot_drum.drum.resource_monitor import (
    CONTAINER_FILES,
    MIB,
    ContainerMemory,
    ResourceMonitor,
    _without_secrets,
    container_memory,
    in_container,
    mib,
    own_cgroup,
    process_memory,
    proportional_memory,
    read_number,
)

#: 10 MiB of pages that the kernel gives back
STAT = f"anon 100\ninactive_file {10 * MIB}\nactive_file 5"

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


@dataclass(frozen=True)
class Tree:
    """Groups of memory as one platform makes them, and what they say of this process."""

    name: str
    memberships: str
    groups: dict[str, dict[str, object]]
    expected: ContainerMemory


ROOT_OF_HOST: dict[str, object] = {"memory__stat": "anon 1"}
TREES = (
    Tree(
        "docker v1, mounted as the root",
        "11:memory:/docker/4f9c\n1:name=systemd:/docker/4f9c\n",
        {"memory": {**v1(100, 50, 70), "memory__stat": "inactive_file 1\ntotal_inactive_file 9"}},
        ContainerMemory(100, 50, 70, 9),
    ),
    Tree(
        "docker v1, host's tree",
        "11:memory:/docker/4f9c\n",
        {"memory": v1(V1_UNLIMITED), "memory/docker": {}, "memory/docker/4f9c": v1(100, 50, 70)},
        ContainerMemory(100, 50, 70),
    ),
    Tree(
        "kubernetes v2, nested",
        "0::/kubepods.slice/kubepods-burstable.slice/pod7/cri-1\n",
        {
            "": ROOT_OF_HOST,
            "kubepods.slice": v2(9000),
            "kubepods.slice/kubepods-burstable.slice": v2("max"),
            "kubepods.slice/kubepods-burstable.slice/pod7": v2(200),
            "kubepods.slice/kubepods-burstable.slice/pod7/cri-1": v2("max", 30, None),
        },
        ContainerMemory(200, 30, None),
    ),
    Tree(
        "kubernetes v2, own namespace",
        "0::/\n",
        {"": {**v2(300, 40, 60), "memory__stat": "anon 5\ninactive_file 4\n"}},
        ContainerMemory(300, 40, 60, 4),
    ),
    Tree(
        "systemd service with a limit",
        "0::/system.slice/drum.service\n",
        {
            "": ROOT_OF_HOST,
            "system.slice": v2("max"),
            "system.slice/drum.service": v2(500, 20, 21),
        },
        ContainerMemory(500, 20, 21),
    ),
    Tree(
        "hybrid: v1 and v2 beside each other",
        "5:memory:/a\n0::/b\n",
        {"memory/a": v1(100), "unified/b": {}},
        ContainerMemory(100, 10, 20),
    ),
    Tree(
        "unlimited v1", "3:memory:/\n", {"memory": v1(V1_UNLIMITED)}, ContainerMemory(None, 10, 20)
    ),
    Tree("unlimited v2", "0::/x\n", {"x": v2("max")}, ContainerMemory(None, 10, 20)),
    Tree(
        "broken numbers",
        "0::/x\n",
        {"x": {**v2("a lot", 7), "memory__peak": "", "memory__stat": "inactive_file x"}},
        ContainerMemory(None, 7, None, None),
    ),
    Tree("no files at all", "0::/x\n", {"x": {}}, ContainerMemory()),
)


def test_files_that_may_not_be_read_are_unknown(tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2(100))
    for name in ("memory.max", "memory.current"):
        (root / name).unlink()
        # what cannot be opened as a file, also for root, whom no permission stops
        (root / name).mkdir()
    found = container_memory(root, memberships(tmp_path, "0::/\n"))
    assert found == ContainerMemory(None, None, 20)


def test_v2_own_group_gives_limit_usage_and_peak(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "pod", **v2(100))
    proc = memberships(tmp_path, "0::/pod\n")
    assert container_memory(root, proc) == ContainerMemory(100, 10, 20)


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
    assert container_memory(root, proc) == ContainerMemory(smallest, 5, 20)


def test_v2_search_ends_at_the_root(tmp_path: Path) -> None:
    group(tmp_path, **v2(1))
    root = group(tmp_path / "cgroup", **v2(50))
    assert container_memory(root, memberships(tmp_path, "0::/\n")).limit == 50


def test_v2_old_kernel_has_no_peak(tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2(100, peak=None))
    found = container_memory(root, memberships(tmp_path, "0::/\n"))
    assert found == ContainerMemory(100, 10, None)


@pytest.mark.parametrize("path", ["/the/host/s/path", "/../../other", "/"])
def test_v2_inside_a_container_the_own_group_is_the_root(path: str, tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2(100))
    found = container_memory(root, memberships(tmp_path, f"0::{path}\n"))
    assert found == ContainerMemory(100, 10, 20)


def test_v1_memory_group_is_found_among_the_controllers(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "memory" / "docker" / "x:y", **v1(100))
    proc = memberships(tmp_path, "3:cpu,cpuacct:/a\n2:memory,hugetlb:/docker/x:y\n0::/\n")
    assert own_cgroup(root, proc) == (
        1,
        root / "memory" / "docker" / "x:y",
        root / "memory",
    )
    assert container_memory(root, proc) == ContainerMemory(100, 10, 20)


@pytest.mark.parametrize("limit", [V1_UNLIMITED, V1_UNLIMITED_LARGE_PAGES, 2**63 - 1])
def test_v1_huge_limit_is_none(limit: int, tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "memory", **v1(limit))
    found = container_memory(root, memberships(tmp_path, "2:memory:/\n"))
    assert found == ContainerMemory(None, 10, 20)


def test_v1_limit_of_a_parent_counts(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "memory" / "pod", **v1(300))
    group(root / "memory" / "pod" / "c", **v1(V1_UNLIMITED, used=7))
    found = container_memory(root, memberships(tmp_path, "2:memory:/pod/c\n"))
    assert found == ContainerMemory(300, 7, 20)


@pytest.mark.parametrize("text", ["", "nonsense\n", "1:name=systemd:/x\n"])
def test_machine_without_memory_groups_has_no_figures(text: str, tmp_path: Path) -> None:
    proc = memberships(tmp_path, text)
    assert container_memory(tmp_path / "none", proc) == ContainerMemory()


def test_machine_without_proc_has_no_figures(tmp_path: Path) -> None:
    assert container_memory(tmp_path / "none", tmp_path / "no_proc") == ContainerMemory()


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


def test_memory_that_the_kernel_gives_back_is_available(tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2(100 * MIB, 80 * MIB), memory__stat=STAT)
    figures = ResourceMonitor(root, memberships(tmp_path, "0::/\n")).memory_info(5.0)
    assert figures["avail"] == figures["free"] == 30.0
    assert figures["container_used"] == 80.0


@pytest.mark.parametrize("limit", ["max", 2**62])
def test_container_without_a_real_limit_has_the_memory_of_the_host(
    limit: object, tmp_path: Path
) -> None:
    root = group(tmp_path / "cgroup", **v2(limit, MIB, 2 * MIB))
    proc = memberships(tmp_path, "0::/\n")
    figures = ResourceMonitor(root, proc, is_container=True).memory_info(5.0)
    assert figures["container_limit"] is None
    assert (figures["container_used"], figures["container_max_used"]) == (1.0, 2.0)
    assert abs((figures["avail"] or 0) - psutil.virtual_memory().available / MIB) < 1024


def test_machine_without_a_limit_is_no_container(tmp_path: Path) -> None:
    root = group(tmp_path / "cgroup", **v2("max"))
    proc = memberships(tmp_path, "0::/\n")
    monitor = ResourceMonitor(root, proc, is_container=False)
    figures = monitor.memory_info(5.0)
    assert [figures[f"container_{name}"] for name in ("limit", "used", "max_used")] == [None] * 3
    assert monitor.container_bytes() == {}


@pytest.mark.parametrize("name", ["dockerenv", "containerenv", "serviceaccount"])
def test_container_is_known_by_its_files(name: str, tmp_path: Path) -> None:
    marks = tuple(tmp_path / mark for mark in ("dockerenv", "containerenv", "serviceaccount"))
    assert not in_container(marks, {})
    (tmp_path / name).touch()
    assert in_container(marks, {})


def test_pod_is_known_by_its_variable(tmp_path: Path) -> None:
    assert in_container((), {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert {path.name for path in CONTAINER_FILES} == {
        *(".dockerenv", ".containerenv", "serviceaccount"),
    }


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_row_13_container_limits(tree: Tree, tmp_path: Path) -> None:
    for folder, files in tree.groups.items():
        group(tmp_path / "cgroup" / folder, **files)
    proc = memberships(tmp_path, tree.memberships)
    assert container_memory(tmp_path / "cgroup", proc) == tree.expected


def test_figures_are_read_again_after_ten_seconds(tmp_path: Path) -> None:
    now = [0.0]
    root = group(tmp_path / "cgroup", **v2(100, 10))
    proc = memberships(tmp_path, "0::/\n")
    monitor = ResourceMonitor(root, proc, clock=lambda: now[0])
    assert monitor.container().used == 10
    group(root, **v2(100, 60))
    now[0] = 9.9
    assert monitor.container().used == 10
    now[0] = 10.0
    assert monitor.container().used == 60


def test_figures_that_are_slow_to_read_are_read_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, reads = [0.0], []

    def read_slowly(pid: int) -> dict[str, int]:
        now[0] += 0.5
        reads.append(now[0])
        return {"pss": pid}

    monkeypatch.setattr(resource_monitor, "process_memory", read_slowly)
    monitor = ResourceMonitor(tmp_path, tmp_path, clock=lambda: now[0])
    for moment in (0, 20, 50.4, 50.6):
        now[0] = float(moment)
        monitor.process_memory()
    assert reads == [0.5, 51.1]


def test_process_memory_tells_shared_pages_once() -> None:
    sizes = ResourceMonitor().process_memory()
    assert sizes.keys() == {"rss", "pss", "vms", "shared"}
    assert 0 < sizes["pss"] <= sizes["rss"] * 1.1 < sizes["vms"]


def test_process_that_has_ended_has_no_memory() -> None:
    assert process_memory(2**22 + 1) == {}


def test_proportional_memory_is_that_of_the_kernel(tmp_path: Path) -> None:
    rollup = group(tmp_path / "7") / "smaps_rollup"
    rollup.write_text("5581-7fff ---p [rollup]\nRss:  884 kB\nPss:  385 kB\nPss_Dirty:  68 kB\n")
    assert proportional_memory(7, tmp_path) == 385 * 1024
    rollup.write_text("")
    assert proportional_memory(7, tmp_path) is None
    assert proportional_memory(8, tmp_path) is None


def test_memory_of_this_machine_can_be_told() -> None:
    monitor = ResourceMonitor()
    assert monitor.memory_info(monitor.process_info()["mem"])["total"]


def test_command_line_is_told_without_its_secrets() -> None:
    line = ["drum", "--api-token", "s1", "--verbose", "--api-token=s2", "--monitor-settings", "s3"]
    assert _without_secrets(line) == [
        *("drum", "--api-token", "*****", "--verbose"),
        *("--api-token=*****", "--monitor-settings", "*****"),
    ]
