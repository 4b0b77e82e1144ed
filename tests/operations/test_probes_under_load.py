"""Probes while a hook computes in pure Python for ten seconds."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.conftest import ServerContext
from tests.operations.commands import COMMANDED, CommandedServer, eventually
from tests.operations.fronts import PRODUCTION, Front, serving

pytestmark = pytest.mark.tools

GTHREAD, _, GEVENT, FASTAPI = PRODUCTION
PROBES = ("/livez", "/readyz", "/startupz", "/ping/", "/health/", "/stats/")
#: Seconds that a probe may take, those that the hook computes, and between two probes.
IN_TIME, COMPUTES, PERIOD = 1.0, 10.0, 0.1


def seconds_of_probes(port: int, computing: Future[httpx.Response]) -> list[float]:
    """How long each probe took until the hook was done, on connections of their own."""
    taken: list[float] = []
    while not computing.done():
        path, begun = PROBES[len(taken) % len(PROBES)], time.monotonic()
        reply = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60, trust_env=False)
        assert reply.status_code == 200
        taken.append(time.monotonic() - begun)
        time.sleep(PERIOD)
    return taken


def probes_during(
    running_server: ServerContext, front: Front, place: Path, seconds: float
) -> list[float]:
    environment = {"COMMAND_PLACE": str(place)}
    with (
        serving(running_server, front, COMMANDED, env=environment) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        served = CommandedServer(server, place)
        begun = time.monotonic()
        computing = pool.submit(served.send, "compute", seconds)
        eventually(lambda: served.begun() == 1, "it computes")
        taken = seconds_of_probes(server.port, computing)
        assert computing.result().status_code == 200
        assert time.monotonic() - begun >= seconds
    return taken


@pytest.mark.parametrize("front", [GTHREAD, FASTAPI], ids=str)
def test_probes_are_answered_within_a_second(running_server, front, tmp_path):
    taken = probes_during(running_server, front, tmp_path, COMPUTES)
    # one after the other: so many fit in if each takes half of what it may
    assert len(taken) >= COMPUTES / (IN_TIME / 2 + PERIOD)
    late = [seconds for seconds in taken if seconds > IN_TIME]
    # the machine itself may have been busy with something else once
    assert len(late) <= len(taken) // 50 + 1, late


def test_gevent_answers_probes_when_the_hook_is_done(running_server, tmp_path):
    taken = probes_during(running_server, GEVENT, tmp_path, 3.0)
    # the first one waits for all of it, and nothing is lost
    assert len(taken) == 1
    assert 1.0 < taken[0] < 6.0
