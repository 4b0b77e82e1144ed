"""Faults of processes: killed, stopped, frozen, told to end."""

from __future__ import annotations

import os
import signal
import time

import psutil
from tests.chaos.site import ANSWERS, PATIENCE, Site
from tests.operations.fronts import is_alive, wait_for

#: What the log says of a worker that cannot load its model.
FAILED = "exited with code 3"


def kill_while_predicting(site: Site) -> None:
    """`kill -9` of the worker whose hook runs."""
    site.meet("gate")
    site.kill(site.reached("gate"))


def kill_while_streaming(site: Site) -> None:
    """`kill -9` of the worker that has sent half of a chat."""
    site.meet("stream")
    site.kill(site.reached("gate"))


def kill_while_loading(site: Site) -> None:
    """A worker is killed, and the one that takes its place while it loads the model."""
    closed = site.touch("load.closed")
    site.kill(min(site.pids))
    loading = site.reached("load")
    closed.unlink()
    site.kill(loading)


def kill_arbiter(site: Site) -> None:
    """`kill -9` of the process that was started; its workers must not stay."""
    workers = site.pids
    site.phase.may_lose = site.may_lose_with_server
    site.happens()
    site.server.process.kill()
    wait_for(lambda: not any(map(is_alive, workers)), "the end of the workers", PATIENCE)


def terminate(site: Site) -> None:
    """SIGTERM, as an orchestrator does; then it is started again."""
    if site.front.server_type == "flask":
        site.phase.may_lose = site.may_lose_with_server
    site.happens()
    site.server.process.terminate()
    site.server.process.wait(30)


def hang_up(site: Site) -> None:
    """SIGHUP: all workers are replaced."""
    first = site.pids
    site.happens()
    site.server.process.send_signal(signal.SIGHUP)
    if site.front.server_type == "flask":
        site.phase.may_lose = site.may_lose_with_server
        site.server.process.wait(30)
        return
    wait_for(lambda: first.isdisjoint(site.pids), "other workers", PATIENCE)


def reload_broken_model(site: Site) -> None:
    """SIGHUP when the new model cannot be loaded; after two attempts it is repaired."""
    first, broken, failed = site.pids, site.touch("broken"), site.server.log.count(FAILED)
    site.server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: site.server.log.count(FAILED) >= failed + 2, "two attempts", PATIENCE)
    assert first <= site.pids
    site.wait_for_answers()
    broken.unlink()
    site.happens()
    wait_for(lambda: first.isdisjoint(site.pids), "other workers", PATIENCE)


def freeze(site: Site) -> None:
    """SIGSTOP of a worker, as by a paused machine; the arbiter must notice."""
    frozen = min(site.pids)
    site.phase.may_lose = site.clients
    site.happens()
    os.kill(frozen, signal.SIGSTOP)
    wait_for(lambda: not is_alive(frozen), "the end of the frozen worker", 90)


def pause(site: Site) -> None:
    """SIGSTOP of all processes, and SIGCONT a request timeout later."""
    root = psutil.Process(site.server.process.pid)
    tree = [root, *root.children(recursive=True)]
    for process in tree:
        process.suspend()
    time.sleep(3)
    for process in tree:
        process.resume()
    site.happens()
    site.wait_for_answers(ANSWERS)
