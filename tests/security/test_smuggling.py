"""Behind haproxy and nginx nobody gets another one's answer, and both count the same requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import RunningServer, ServerContext
from tests.operations.fronts import PRODUCTION, serving, wait_for
from tests.operations.raw_http import exchange, status_of
from tests.security.smuggling import ATTACKS, CONFORMANCE, attacked, proxy, victim

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
        sent = ATTACKS if name == "nginx" else {**ATTACKS, **CONFORMANCE}
        wrong = [title for title, data in sent.items() if not is_harmless(front.port, title, data)]
        assert wrong == []
        # attacks may be answered after the victims
        wait_for(lambda: counted(server, before) == len(front.forwarded), "equal counts", 30)
        assert smuggled(read_by(server)[before:]) == smuggled(front.forwarded)


def counted(server: RunningServer, before: int) -> int:
    """How many requests the server has read since there were so many."""
    return len(read_by(server)) - before


def is_harmless(port: int, title: str, data: bytes) -> bool:
    """Do the next clients still get their own answers, after and while an attack is answered?"""
    name = re.sub(r"\W", "-", title).lower()
    with attacked(port, data):
        answers = [exchange(port, victim(f"{name}-{number}")) for number in range(2)]
    return all(
        status_of(answer) == 200 and f"x-request-id: {name}-{number}\r\n" in answer.decode().lower()
        for number, answer in enumerate(answers)
    )


def smuggled(lines: list[str]) -> int:
    """How many of them are the request within a request."""
    return sum("smuggled" in line for line in lines)
