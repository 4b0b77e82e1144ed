"""Limits of requests on real servers: the request timeout, the line, bodies, clients that leave.

Row 7 of the conformance table: a prediction that takes longer than the timeout. Row 9: requests
that overlap into a model that must not. Row 14: the limit of bodies.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from tests.conftest import ServerContext
from tests.operations.commands import (
    COMMANDED,
    CommandedServer,
    eventually,
    is_alive,
    row,
)
from tests.operations.raw_http import PATIENCE, RawConnection, status_of

TIMEOUT = 2.0
LINE = 10
LIMIT = 1_000_000
HEAD = b"POST /predict/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nConnection: close\r\n"
SETTINGS = {
    "DRUM_CLIENT_REQUEST_TIMEOUT": f"{TIMEOUT:g}",
    "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH": str(LINE),
    "DRUM_FASTAPI_MAX_UPLOAD_SIZE": str(LIMIT),
}
#: A sync worker has one connection at a time; the others have a line.
WITH_A_LINE = ("flask", "gthread", "gevent", "fastapi")
KINDS = (*WITH_A_LINE, "sync")
#: for each wait of a hook another one
numbers = itertools.count(1)


@contextmanager
def commanded(
    running_server: ServerContext, place: Path, kind: str, **settings: str
) -> Iterator[CommandedServer]:
    """A server of that kind; Gunicorn's are named after the class of their workers."""
    is_gunicorn = kind in ("gthread", "gevent", "sync")
    environment = {"COMMAND_PLACE": str(place), **SETTINGS, **settings}
    if is_gunicorn:
        environment["DRUM_GUNICORN_WORKER_CLASS"] = kind
    server_type = "gunicorn" if is_gunicorn else kind
    options = ("--target-type", "regression")
    with running_server(COMMANDED, *options, env=environment, server_type=server_type) as server:
        yield CommandedServer(server, place)


@pytest.fixture(scope="module")
def servers(
    running_server: ServerContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, CommandedServer]]:
    """The servers of this module, each started when it is first asked for."""
    with ExitStack() as running:

        class Started(dict[str, CommandedServer]):
            def __missing__(self, kind: str) -> CommandedServer:
                place = tmp_path_factory.mktemp(kind)
                self[kind] = running.enter_context(commanded(running_server, place, kind))
                return self[kind]

        yield Started()


@pytest.fixture(params=KINDS)
def served(request: pytest.FixtureRequest, servers: dict[str, CommandedServer]) -> CommandedServer:
    return servers[request.param]


@pytest.fixture(params=WITH_A_LINE)
def with_a_line(
    request: pytest.FixtureRequest, servers: dict[str, CommandedServer]
) -> CommandedServer:
    return servers[request.param]


def test_prediction_over_the_timeout_is_504_and_the_next_one_is_served(served: CommandedServer):
    number, before = next(numbers), served.figures
    started = time.monotonic()
    answer = served.send("wait", number)
    assert answer.status_code == 504
    assert answer.json()["message"].startswith("ERROR: the model did not answer within 2 s")
    assert TIMEOUT <= time.monotonic() - started < TIMEOUT + 1
    # the slot is only free when the hook returns
    assert served.figures["running"] == 1
    served.let_go(number)
    assert served.send("sleep").status_code == 200
    assert served.figures["deadline_exceeded"] == before["deadline_exceeded"] + 1


def test_requests_never_overlap_in_the_model(served: CommandedServer):
    first = len(served.journal)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: served.send("sleep", 0.02), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    words = [line.split()[0] for line in served.journal[first:]]
    assert words == ["begin", "end"] * 8


def fill_the_line(served: CommandedServer, pool: ThreadPoolExecutor, number: float) -> list:
    """As many requests as one worker takes: one runs, the others wait."""
    tasks = [pool.submit(served.send, "wait", number)]
    served.wait_for_begin(served.begun() or 1)
    eventually(lambda: served.figures["running"] == 1, "the first runs")
    tasks += [pool.submit(served.send, "sleep") for _ in range(LINE)]
    eventually(lambda: served.figures["waiting"] == LINE, "the line is full")
    return tasks


def test_full_line_answers_at_once_without_waiting_for_a_body(with_a_line: CommandedServer):
    served = with_a_line
    number, before = next(numbers), served.figures
    head = b"POST /predict/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
    with ThreadPoolExecutor(LINE + 1) as pool:
        tasks = fill_the_line(served, pool, number)
        with RawConnection(served.server.port) as connection:
            connection.send(head + b"Content-Length: 900000\r\n\r\n" + b"a" * 1000)
            status, headers, body = connection.read_answer()
        refused = served.send("sleep")
        served.let_go(number)
        assert [task.result().status_code for task in tasks] == [200] * (LINE + 1)
    assert (status, headers["retry-after"]) == (503, "5")
    assert b"the server is busy" in body
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    after = served.figures
    assert after["accepted"] - before["accepted"] == LINE + 1
    assert after["rejected"] - before["rejected"] == 2
    assert (after["running"], after["waiting"], after["bytes_held"]) == (0, 0, 0)


def test_request_whose_client_left_the_line_never_runs(with_a_line: CommandedServer):
    served = with_a_line
    number, before = next(numbers), served.figures
    with ThreadPoolExecutor(1) as pool:
        begun = served.begun() + 1
        running = pool.submit(served.send, "wait", number)
        served.wait_for_begin(begun)
        leaving = [RawConnection(served.server.port) for _ in range(3)]
        for connection in leaving:
            connection.send(
                b"POST /predict/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
                b"Content-Length: 8\r\n\r\n" + row("sleep", 0)
            )
        eventually(lambda: served.figures["waiting"] == 3, "three wait")
        for connection in leaving:
            connection.socket.close()
        eventually(lambda: served.figures["waiting"] == 0, "none waits")
        served.let_go(number)
        assert running.result().status_code == 200
    assert served.send("sleep").status_code == 200
    assert served.begun() == begun + 1
    assert served.figures["abandoned"] == before["abandoned"] + 3


def test_upload_that_trickles_is_cut_at_the_timeout(served: CommandedServer):
    before, started = served.figures, time.monotonic()
    with RawConnection(served.server.port, 0.1) as connection:
        connection.send(HEAD + b"Content-Length: 900000\r\n\r\n")
        answer = b""
        while not answer and time.monotonic() - started < 2 * TIMEOUT:
            connection.send(b"a")
            with contextlib.suppress(TimeoutError):
                answer = connection.socket.recv(65536)
        connection.socket.settimeout(PATIENCE)
        answer += connection.read_until_closed()
    assert TIMEOUT <= time.monotonic() - started < TIMEOUT + 1
    assert status_of(answer) == 504
    assert b"the request was not received and answered within 2 s" in answer
    after = served.figures
    assert (after["bytes_held"], after["accepted"]) == (0, before["accepted"])
    assert after["deadline_exceeded"] == before["deadline_exceeded"] + 1


TOO_LARGE = b"x" * (LIMIT + 1)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HEAD + b"Content-Length: %d\r\n\r\n" % len(TOO_LARGE) + TOO_LARGE, 413),
        (HEAD + b"Content-Length: 9999999999\r\n\r\n" + TOO_LARGE, 413),
        (
            HEAD
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"%x\r\n" % len(TOO_LARGE)
            + TOO_LARGE
            + b"\r\n0\r\n\r\n",
            413,
        ),
        # longer than it says: the rest is not part of it
        (HEAD + b"Content-Length: 8\r\n\r\nsleep\n0\n" + b"x" * 1000, 200),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
    ],
    ids=["declared", "declared more", "chunked", "longer", "negative"],
)
def test_body_is_limited_however_it_tells_its_length(
    served: CommandedServer, request_bytes: bytes, status: int
):
    with RawConnection(served.server.port) as connection:
        connection.send(request_bytes)
        # the development server waits for the rest until the client closes
        assert connection.read_head()[0] == status
    assert served.figures["bytes_held"] == 0


def test_body_shorter_than_it_says_never_runs(served: CommandedServer):
    begun = served.begun()
    with RawConnection(served.server.port) as connection:
        connection.send(HEAD + b"Content-Length: 500\r\n\r\nsleep\n0\n")
        connection.socket.shutdown(1)
        answer = connection.read_until_closed()
    assert status_of(answer) in (0, 400)
    assert served.send("sleep").status_code == 200
    assert (served.begun(), served.figures["bytes_held"]) == (begun + 1, 0)


@pytest.mark.parametrize("kind", ["flask", "gthread", "fastapi"])
def test_probes_answer_while_a_hook_computes(servers: dict[str, CommandedServer], kind: str):
    served = servers[kind]
    with ThreadPoolExecutor(1) as pool:
        computing = pool.submit(served.send, "compute", TIMEOUT - 0.5)
        eventually(lambda: served.figures["running"] == 1, "it computes")
        slowest = slowest_probe(served, computing.done)
        assert computing.result().status_code == 200
    assert slowest < 1


def slowest_probe(served: CommandedServer, is_over) -> float:
    """Seconds that the slowest answer took."""
    slowest = 0.0
    while not is_over():
        for path in ("/livez", "/readyz", "/health/", "/stats/"):
            started = time.monotonic()
            assert served.server.get(path).status_code == 200
            slowest = max(slowest, time.monotonic() - started)
    return slowest


@pytest.mark.parametrize("kind", ["gthread", "fastapi"])
def test_stuck_worker_is_replaced_while_the_others_serve(
    running_server: ServerContext, tmp_path: Path, kind: str
):
    settings = {"DRUM_CLIENT_REQUEST_TIMEOUT": "1", "CUSTOM_MODEL_WORKERS": "2"}
    with commanded(running_server, tmp_path, kind, **settings) as served:
        assert served.send("wait", next(numbers)).status_code == 504
        stuck = served.wait_for_begin(1)
        statuses: set[int] = set()
        pids: set[int] = set()
        while is_alive(stuck) or len(pids - {stuck}) < 2:
            answer = httpx.post(
                f"{served.server.url}/predict/", content=row("sleep"), headers=CSV, timeout=20
            )
            statuses.add(answer.status_code)
            if answer.status_code == 200:
                pids.add(int(answer.json()["predictions"][0]))
        assert statuses <= {200, 503}
        assert stuck not in pids
        assert "all 1 slots are taken by requests past their deadline" in served.server.log


CSV = {"Content-Type": "text/csv"}


@pytest.mark.parametrize("kind", ["gthread", "fastapi"])
@pytest.mark.tools
def test_hook_that_keeps_the_interpreter_lock_costs_its_worker(
    running_server: ServerContext, tmp_path: Path, kind: str
):
    with commanded(running_server, tmp_path, kind, DRUM_CLIENT_REQUEST_TIMEOUT="1") as served:
        with pytest.raises(httpx.TransportError):
            served.send("hold", 300)
        stuck = served.wait_for_begin(1)
        eventually(lambda: not is_alive(stuck), "the worker is killed")
        eventually(served.server.is_ready, "another one serves")
        assert served.send("sleep").status_code == 200
