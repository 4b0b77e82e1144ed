"""Signals to the started process, on every server.

Row 3 of the conformance table: TERM, INT, HUP with idle, predict, stream in flight, keep-alive
connection, during model load. Row 18 of the conformance table: INT and QUIT on an idle server,
graceful time 299 s, which is the default. The client that waits until a server is ready keeps its
connection, but for `sync` workers and the development server, which close each one: those have no
cell for it.
"""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from tests.operations.fronts import (
    CSV,
    DATA,
    FLASK,
    GATED_MODEL,
    PRODUCTION,
    SYNC,
    Gates,
    answering_worker,
    every_front,
    is_alive,
    production_front,
    serving,
    wait_for,
    workers_of,
)
from tests.operations.raw_http import RawConnection

PING = b"GET /ping/ HTTP/1.1\r\nHost: x\r\n\r\n"
#: Seconds within which a server with nothing to do must have ended.
AT_ONCE = 5.0


@pytest.fixture
def gates(tmp_path):
    return Gates(tmp_path / "gates")


@pytest.fixture
def gated(tmp_path):
    code_dir = tmp_path / "model"
    code_dir.mkdir()
    (code_dir / "custom.py").write_text(GATED_MODEL)
    return code_dir


@pytest.fixture
def serve(running_server, gated, gates):
    def serve(front, env=None, args=(), **options):
        environment = {**gates.environment, "TARGET_NAME": "t", **(env or {})}
        options.setdefault("target_type", "textgeneration")
        return serving(running_server, front, gated, *args, env=environment, **options)

    return serve


class Streaming:
    """A stream that is read in a thread; `lines` are those of the model so far."""

    def __init__(self, url: str, gate: str) -> None:
        self.lines: list[str] = []
        self.error: BaseException | None = None
        self._body = {"messages": [{"role": "user", "content": gate}], "stream": True}
        self._url = url
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            self.lines.extend(self._received())
        except httpx.HTTPError as error:
            self.error = error

    def _received(self) -> Iterator[str]:
        with (
            httpx.Client(base_url=self._url, trust_env=False, timeout=60) as client,
            client.stream("POST", "/chat/completions", json=self._body) as reply,
        ):
            yield from (line for line in reply.iter_lines() if line)

    def end(self) -> str:
        """Its last line."""
        self._thread.join(60)
        assert self.error is None, f"{self.error!r} after {self.lines}"
        return self.lines[-1]


class Predicting:
    """A prediction that waits for its answer in a thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._replies: list[httpx.Response] = []
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        with httpx.Client(base_url=self._url, trust_env=False, timeout=60) as client:
            self._replies.append(client.post("/predict/", content=DATA, headers=CSV))

    def answer(self) -> httpx.Response:
        self._thread.join(60)
        return self._replies[0]


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def busy_with(server, gates, gate="stream", *, is_alone=False):
    """A stream in flight and, unless connections are served one by one, a request behind it."""
    stream = Streaming(server.url, gate)
    gates.wait_until_reached(gate)
    if is_alone:
        return stream, None
    behind = Predicting(server.url)
    wait_for(
        lambda: server.get("/stats/").json()["server"]["queue"]["waiting"] == 1, "the second one"
    )
    return stream, behind


@pytest.mark.parametrize("front", [f for f in PRODUCTION if f.worker_class != "sync"], ids=str)
def test_sigterm_lets_requests_end_and_refuses_new_ones(serve, front, gates):
    with serve(front, args=("--logging-level", "info")) as server:
        stream, behind = busy_with(server, gates)
        with RawConnection(server.port) as kept:
            kept.send(PING)
            assert kept.read_answer()[0] == 200
            server.process.terminate()
            wait_for(lambda: is_refused(server.port), "the end of listening")
            kept.send(PING)
            status, headers, _ = kept.read_answer()
            assert (status, headers["connection"]) == (200, "close")
        gates.open("stream")
        assert stream.end() == "data: [DONE]"
        assert behind.answer().json() == {"predictions": ["2", "4"]}
        assert server.process.wait(AT_ONCE) == 0
        assert order_of(server.log, *LAST_STEPS) == list(LAST_STEPS)


LAST_STEPS = ("cleanup: model", "cleanup: prints", "<<< Finish drum in the server mode")


def order_of(log: str, *texts: str) -> list[str]:
    return sorted((text for text in texts if text in log), key=log.index)


def test_sync_worker_answers_those_that_have_connected_before_sigterm(serve, gates):
    with serve(SYNC) as server:
        stream = Streaming(server.url, "stream")
        gates.wait_until_reached("stream")
        behind = Predicting(server.url)
        wait_for(lambda: is_connected(server.port, 2), "the second connection")
        server.process.terminate()
        gates.open("stream")
        assert stream.end() == "data: [DONE]"
        assert behind.answer().json() == {"predictions": ["2", "4"]}
        assert server.process.wait(AT_ONCE) == 0


PREDICT = (
    b"POST /predict/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n"
    % len(DATA)
) + DATA


def test_sync_worker_turns_away_those_whose_turn_comes_too_late(serve, gates):
    environment = {"DRUM_UVICORN_GRACEFUL_TIMEOUT": "1"}
    with serve(SYNC, environment, args=("--logging-level", "info")) as server, ExitStack() as stack:
        stream = Streaming(server.url, "stream")
        gates.wait_until_reached("stream")
        late = [stack.enter_context(RawConnection(server.port)) for _ in range(4)]
        # the last one sends nothing, and none of them closes its side after the answer
        for connection in late[:3]:
            connection.send(PREDICT)
        wait_for(lambda: is_connected(server.port, 5), "the connections")
        server.process.terminate()
        assert "shutting down" in stream.end()
        assert [connection.read_answer()[0] for connection in late[:3]] == [503] * 3
        assert server.process.wait(20) == 0
        assert LAST_STEPS[-1] in server.log


def is_connected(port: int, count: int) -> bool:
    """Has the kernel established so many connections to the server?"""
    ends = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(end[0].endswith(f":{port:04X}") and end[2] == "01" for end in ends) >= count


@every_front
def test_requests_that_do_not_end_are_cut_with_an_answer(serve, front, gates):
    is_alone = front.worker_class == "sync"
    env = {"DRUM_UVICORN_GRACEFUL_TIMEOUT": "1"}
    with serve(front, env) as server:
        stream, behind = busy_with(server, gates, is_alone=is_alone)
        began = time.monotonic()
        server.process.terminate()
        last = json.loads(stream.end().removeprefix("data: "))
        assert "shutting down" in last["error"]["message"]
        if behind is not None:
            assert behind.answer().status_code == 503
        assert server.process.wait(20) == front.interrupted
        assert time.monotonic() - began < 1 + AT_ONCE


@pytest.mark.parametrize("front", [FLASK, PRODUCTION[0], PRODUCTION[-1]], ids=str)
def test_server_listens_for_the_pre_stop_delay_and_says_that_it_drains(serve, front):
    with serve(front, {"DRUM_PRE_STOP_DELAY": "1.5"}) as server:
        began = time.monotonic()
        server.process.terminate()
        wait_for(lambda: new_connection(server, "/readyz").status_code == 503, "the drain", 1)
        assert new_connection(server, "/readyz").json() == {"status": "draining"}
        assert new_connection(server, "/startupz").status_code == 200
        assert server.process.wait(20) == front.interrupted
        assert 1.5 < time.monotonic() - began < 1.5 + AT_ONCE


def new_connection(server, path: str) -> httpx.Response:
    return server.get(path, headers={"Connection": "close"})


@every_front
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_server_that_loads_its_model_ends_at_once(serve, front, number, gates):
    with serve(front, {"DRUM_TEST_LOAD_GATE": "1"}, wait=False) as server:
        gates.wait_until_reached("load")
        began = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(20) == front.interrupted
        assert time.monotonic() - began < AT_ONCE


@production_front
def test_hup_while_the_model_loads_changes_workers_and_term_ends_them_idle(serve, front, gates):
    with serve(front, {"DRUM_TEST_LOAD_GATE": "1"}, wait=False) as server:
        gates.wait_until_reached("load")
        first = workers_of(server)
        server.process.send_signal(signal.SIGHUP)
        gates.open("load")
        wait_for(lambda: first.isdisjoint(workers_of(server)), "another worker")
        server.wait_until_ready()
        began, tree = time.monotonic(), workers_of(server)
        server.process.terminate()
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < AT_ONCE
        assert not any(map(is_alive, tree))


# SIGINT to the others: at the end of the next test but one
@pytest.mark.parametrize(
    ("front", "number"),
    [(FLASK, signal.SIGINT), *((front, signal.SIGQUIT) for front in (FLASK, *PRODUCTION))],
    ids=str,
)
def test_interrupted_idle_server_ends_at_once_with_its_workers(serve, front, number):
    code = -number if front is FLASK and number == signal.SIGQUIT else front.interrupted
    with serve(front) as server:
        tree = {answering_worker(server), *workers_of(server)}
        began = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(20) == code
        assert time.monotonic() - began < AT_ONCE
        wait_for(lambda: not any(map(is_alive, tree)), "the end of the workers", AT_ONCE)


@every_front
def test_interrupted_server_answers_what_runs_and_ends_at_once(serve, front, gates):
    is_alone = front.worker_class == "sync"
    with serve(front) as server:
        stream, behind = busy_with(server, gates, is_alone=is_alone)
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == front.interrupted
        assert time.monotonic() - began < AT_ONCE
        assert "shutting down" in stream.end()
        if behind is not None:
            assert behind.answer().status_code == 503


@production_front
def test_usr1_changes_nothing_and_hup_replaces_workers_that_finish_their_requests(
    serve, front, gates
):
    with serve(front) as server:
        first = answering_worker(server)
        server.process.send_signal(signal.SIGUSR1)
        server.process.send_signal(signal.SIGUSR2)
        assert answering_worker(server) == first
        stream, behind = busy_with(server, gates, is_alone=front.worker_class == "sync")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: answering_worker(server) != first, "the next worker")
        assert is_alive(first)
        gates.open("stream")
        assert stream.end() == "data: [DONE]"
        if behind is not None:
            assert behind.answer().json() == {"predictions": ["2", "4"]}
        wait_for(lambda: not is_alive(first), "the end of the first worker")
        tree = workers_of(server)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(AT_ONCE) == 0
        assert not any(map(is_alive, tree))


def test_development_server_dies_of_other_signals(serve):
    with serve(FLASK) as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(AT_ONCE) == -signal.SIGHUP
