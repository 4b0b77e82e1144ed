"""Behind haproxy and nginx nobody gets another one's answer, and both count the same requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import RunningServer, ServerContext
from tests.operations.fronts import PRODUCTION, serving, wait_for
from tests.operations.raw_http import exchange, status_of
from tests.security.smuggling import ATTACKS, attack, proxy, victim

pytestmark = pytest.mark.tools

MODEL = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
FRONTS = {front.name: front for front in PRODUCTION if front.name in ("gunicorn", "fastapi")}
PROXIES = ("haproxy", "nginx", "nginx, unbuffered")
#: The line of each request that the server has read, whatever became of it.
LINE = re.compile(r'^127\.0\.0\.1 - - \[[^]]*\] "(.*)" \d+ \S+ ".*" "(.*)"$', re.MULTILINE)


@pytest.fixture(scope="module", params=FRONTS)
def server(
    request: pytest.FixtureRequest, running_server: ServerContext
) -> Iterator[RunningServer]:
    """Both production servers in turn."""
    with serving(running_server, FRONTS[request.param], MODEL) as started:
        yield started


def read_by(server: RunningServer) -> list[str]:
    """The requests of the server's log, without those of the test's waiting."""
    return [line for line, agent in LINE.findall(server.log) if "httpx" not in agent]


@pytest.mark.parametrize("name", PROXIES)
def test_proxy_and_server_see_the_same_requests(name, server, tmp_path):
    before = len(read_by(server))
    with proxy(name, server, tmp_path) as front:
        wrong = [
            title for title, data in ATTACKS.items() if not is_harmless(front.port, title, data)
        ]
        assert wrong == []
        last = exchange(front.port, victim("last"))
        assert status_of(last) == 200
        wait_for(lambda: len(front.forwarded) <= len(read_by(server)) - before, "the last lines")
        seen = read_by(server)[before:]
        assert (len(seen), smuggled(seen)) == (len(front.forwarded), smuggled(front.forwarded))


def is_harmless(port: int, title: str, data: bytes) -> bool:
    """Does the next client still get its own answer, after an attack?"""
    attack(port, data)
    name = re.sub(r"\W", "-", title)
    answers = [exchange(port, victim(f"{name}-{number}")).lower() for number in range(2)]
    return all(
        status_of(answer.upper()) == 200
        and f"x-request-id: {name}-{number}".lower().encode() in answer
        for number, answer in enumerate(answers)
    )


def smuggled(lines: list[str]) -> int:
    """How many of them are the request within a request."""
    return sum("smuggled" in line for line in lines)
