"""Faults of model code: it hangs, eats, forks, or ends its process."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.chaos.site import ANSWERS, Site
from tests.operations.fronts import is_alive, wait_for

MEBIBYTE = 1 << 20
#: What the processes of a server may use from the beginning of the fault.
ROOM = 600 * MEBIBYTE
RECYCLED_AFTER = 60
JITTER = 20
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


def hang(site: Site) -> None:
    """A hook that never returns; the request timeout is 2 s."""
    before = site.pids
    if site.front.server_type == "flask":
        site.phase.may_lose = site.may_lose_with_server
    site.happens()
    site.meet("hang")
    wait_until_replaced(site, before)


def hold_lock(site: Site) -> None:
    """A hook that keeps the interpreter lock in native code for ten minutes."""
    before = site.pids
    site.happens()
    site.meet("hold")
    if site.front.server_type == "flask":
        # nobody watches it from outside but the liveness probe of its orchestrator
        wait_for(lambda: not site.server.is_ready("/livez"), "a probe that fails")
        site.kill(site.server.process.pid)
        return
    site.phase.may_lose = site.clients
    wait_until_replaced(site, before)


def exit_process(site: Site) -> None:
    """A hook that calls `os._exit(7)`."""
    meet_and_lose_worker(site, "exit")


def poison(site: Site) -> None:
    """A request that ends its worker is sent five times, as clients repeat what was cut."""
    for _ in range(5):
        site.meet("exit")
        site.end_of_victims()
    site.happens()
    site.phase.may_lose = 5 * site.clients


def meet_and_lose_worker(site: Site, command: str) -> None:
    """A request whose hook ends the worker that it is in."""
    before = site.pids
    is_all = site.server.process.pid in before
    site.phase.may_lose = site.may_lose_with_server if is_all else site.clients
    site.happens()
    site.meet(command)
    wait_until_replaced(site, before)


def wait_until_replaced(site: Site, before: set[int]) -> None:
    """Return when one of the processes has ended."""
    wait_for(lambda: not all(map(is_alive, before)), "the end of a process", 90)


def eat_memory(site: Site) -> None:
    """A hook that asks for 2 GiB in a control group with a limit; the kernel kills the process."""
    with limited_group(site):
        meet_and_lose_worker(site, "eat")
        site.end_of_victims()


@contextlib.contextmanager
def limited_group(site: Site) -> Iterator[None]:
    """The server, its workers and those that come are in a control group with 600 MiB."""
    root = V1 if (V1 / "cgroup.procs").exists() else V2
    limit = "memory.limit_in_bytes" if root == V1 else "memory.max"
    group = root / f"drum-chaos-{site.server.process.pid}"
    try:
        group.mkdir()
        (group / limit).write_text(str(ROOM))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    site.stack.callback(leave_group, group, root)
    site.how = f"control group, {'version 1' if root == V1 else 'version 2'}"
    for pid in {site.server.process.pid, *site.pids}:
        (group / "cgroup.procs").write_text(str(pid))
    yield
    # the next ones, which are children of those in it, may have what there is
    (group / limit).write_text("-1" if root == V1 else "max")


def leave_group(group: Path, root: Path) -> None:
    """Remove the group when its processes have ended."""
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (root / "cgroup.procs").write_text(pid)
    group.rmdir()


def eat_address_space(site: Site) -> None:
    """The same hook in a process that gets no more address space (RLIMIT_AS)."""
    for pid in site.pids:
        room = psutil.Process(pid).memory_info().vms + 200 * MEBIBYTE
        resource.prlimit(pid, resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    site.happens()
    site.meet("eat")
    site.end_of_victims()
    site.wait_for_answers()
    for pid in site.pids:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(pid, resource.RLIMIT_AS, unlimited)


def leak(site: Site) -> None:
    """Each prediction keeps 1 MiB, while workers are recycled after 60 to 80 requests."""
    before, rss = site.pids, max(map(_rss, site.pids))
    switch = site.touch("leak")
    most = 0
    while not before.isdisjoint(site.pids):
        site.wait_for_answers(10)
        most = max(most, *map(_rss, site.pids))
    leaked = site.pids
    switch.unlink()
    site.happens()
    wait_for(lambda: leaked.isdisjoint(site.pids), "workers that have not leaked", 120)
    site.how = f"RSS of a worker {rss // MEBIBYTE} MiB before, {most // MEBIBYTE} MiB at most"
    assert max(map(_rss, site.pids)) < rss + 64 * MEBIBYTE


def _rss(pid: int) -> int:
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def close_stdout(site: Site) -> None:
    """A hook that closes `sys.stdout` and descriptor 1."""
    before = site.pids
    site.happens()
    site.meet("close_stdout")
    site.end_of_victims()
    site.wait_for_answers(2 * ANSWERS)
    assert site.pids == before


def fork(site: Site) -> None:
    """A hook that forks; the child sleeps for ten minutes."""
    leave_child(site, "fork")


def fork_and_return(site: Site) -> None:
    """A hook that forks; the child returns from the hook like its parent."""
    leave_child(site, "fork_and_return")


def leave_child(site: Site, command: str) -> None:
    """The child holds what its parent held; it must not outlive it."""
    before = site.pids
    site.happens()
    site.meet(command)
    site.end_of_victims()
    site.wait_for_answers(ANSWERS)
    assert site.pids == before
    child = int((site.place / "child").read_text())
    assert is_alive(child)
    site.at_end.append(lambda: wait_for(lambda: not is_alive(child), "the end of the child", 10))
