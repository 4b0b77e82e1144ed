"""The client and both loops, against small servers that do as they are told."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from datarobot_drum.drum.cli.load_test.client import csv_request, target_of
from datarobot_drum.drum.cli.load_test.load import MAX_REASONS, Closed, Open, Outcome, run_load
from datarobot_drum.drum.errors import UsageError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"


class Stand(socketserver.ThreadingTCPServer):
    """A server whose answer to the n-th request is `reply(n)`; None closes the connection."""

    request_queue_size = 100

    def __init__(self, reply: Callable[[int], bytes | None], pause: Callable[[int], float]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply, self.pause = reply, pause
        self.requests = self.connections = 0
        self.bodies: list[bytes] = []
        self.lock, self.ended = threading.Lock(), threading.Event()


class Handler(socketserver.StreamRequestHandler):
    """One connection."""

    server: Stand

    def handle(self) -> None:
        """Answer requests until one side has enough."""
        with self.server.lock:
            self.server.connections += 1
        with contextlib.suppress(OSError):
            while head := self.read_head():
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                reply = self.reply_to(self.rfile.read(length))
                if reply is None:
                    return
                self.wfile.write(reply)
                if b"close" in reply.lower():
                    return

    def read_head(self) -> bytes:
        """All up to the blank line; nothing when the client has left."""
        head = b""
        while line := self.rfile.readline():
            head += line
            if line == b"\r\n":
                return head
        return b""

    def reply_to(self, body: bytes) -> bytes | None:
        """The next reply, after its pause."""
        with self.server.lock:
            number, self.server.requests = self.server.requests, self.server.requests + 1
            self.server.bodies.append(body)
        self.server.ended.wait(self.server.pause(number))
        return self.server.reply(number)


@contextmanager
def served(reply, pause=lambda number: 0.0) -> Iterator[tuple[Stand, str]]:
    """The stand, serving in threads, and its URL."""
    with Stand(reply, pause) as stand:
        thread = threading.Thread(target=stand.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield stand, f"http://127.0.0.1:{stand.server_address[1]}/predict/"
        finally:
            stand.ended.set()
            stand.shutdown()
            thread.join(10)


def run(load, url, timeout=20.0) -> Outcome:
    target = target_of(url)
    return run_load(load, target, csv_request(target, b"a\n1\n"), timeout)


def test_request_is_a_form_with_the_file_x():
    with served(lambda number: OK) as (stand, url):
        outcome = run(Closed(iterations=1), url)
    assert (outcome.latency.count, outcome.failed) == (1, 0)
    assert (
        b'name="X"; filename="X.csv"\r\nContent-Type: text/csv\r\n\r\na\n1\n\r\n--'
        in stand.bodies[0]
    )


def test_connections_are_used_again():
    with served(lambda number: OK) as (stand, url):
        outcome = run(Closed(clients=3, iterations=60), url)
    assert (outcome.latency.count, stand.requests) == (60, 60)
    assert stand.connections <= 3


ANSWERS = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "closing": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    "without length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nServer: closes\r\n\r\n{}",
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_form_of_answer_is_understood(kind):
    with served(lambda number: ANSWERS[kind]) as (_, url):
        outcome = run(Closed(iterations=5), url)
    assert (outcome.latency.count, dict(outcome.errors)) == (5, {})


def test_connection_that_the_server_has_closed_is_replaced():
    # the second request meets a connection that is closed without an answer
    with served(lambda number: None if number == 1 else OK) as (_, url):
        outcome = run(Closed(iterations=3), url)
    assert (outcome.latency.count, outcome.failed) == (3, 0)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (BUSY, "HTTP 503: busy"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the answer is no HTTP"),
        (None, "the server closed the connection"),
    ],
)
def test_first_failure_ends_a_number_of_requests_and_says_why(reply, reason):
    with served(lambda number: reply) as (stand, url):
        outcome = run(Closed(iterations=10), url)
    assert (outcome.failed, stand.requests) == (1, 1)
    assert next(iter(outcome.errors)).startswith(reason)


def test_server_that_is_not_there_is_told(free_port):
    outcome = run(Closed(seconds=0.2), f"http://127.0.0.1:{free_port}/predict/")
    assert 0 < outcome.failed < 100
    assert outcome.latency.count == 0


def test_time_limit_ends_a_load_and_counts_what_is_missing():
    with served(lambda number: OK, lambda number: 60.0) as (_, url):
        outcome = run(Closed(clients=2, iterations=5), url, timeout=0.3)
    assert outcome.timed_out
    assert dict(outcome.errors) == {"no answer within 0.3 s": 2}


def test_open_loop_sends_on_time_whether_or_not_it_is_answered():
    with served(lambda number: OK, lambda number: 0.5) as (stand, url):
        outcome = run(Open(rate=50, seconds=1), url)
    assert (outcome.latency.count, stand.requests) == (50, 50)
    assert stand.connections > 10  # a closed loop would need one
    assert outcome.seconds < 5


def test_open_loop_counts_the_wait_that_a_pause_of_the_server_causes(monkeypatch):
    """The client has one connection: a pause of one answer delays those behind it."""
    monkeypatch.setattr("datarobot_drum.drum.cli.load_test.load.MAX_CONNECTIONS", 1)

    def pause(number: int) -> float:
        return 0.6 if number == 0 else 0.0

    with served(lambda number: OK, pause) as (_, url):
        opened = run(Open(rate=100, seconds=1), url)
    with served(lambda number: OK, pause) as (_, url):
        closed = run(Closed(iterations=100), url)
    assert opened.latency.percentile(25) > 10 * closed.latency.percentile(50)
    assert opened.latency.percentile(50) > 0.05  # half of them should have started in the pause
    assert closed.latency.percentile(90) < 0.05  # the closed loop does not see it


def test_load_over_time_goes_on_after_a_refusal():
    with served(lambda number: OK if number % 2 else BUSY) as (_, url):
        outcome = run(Open(rate=40, seconds=0.5), url)
    assert (outcome.latency.count, dict(outcome.errors)) == (10, {"HTTP 503: busy": 10})
    assert outcome.requests == 20


def test_closed_loop_over_time_ends_on_time():
    with served(lambda number: OK) as (_, url):
        outcome = run(Closed(clients=2, seconds=0.3), url)
    assert 0.25 < outcome.seconds < 5
    assert outcome.latency.count > 10
    assert outcome.rate == pytest.approx(outcome.latency.count / outcome.seconds)


def test_reasons_are_bounded():
    outcome = Outcome()
    for number in range(100):
        outcome.fail(f"reason {number}")
    assert len(outcome.errors) == MAX_REASONS + 1
    assert outcome.errors["other"] == 100 - MAX_REASONS


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://a/", "http://", "http://a:x/"])
def test_address_that_is_none_is_refused(url):
    with pytest.raises(UsageError):
        target_of(url)


@pytest.mark.parametrize(
    ("url", "base", "path"),
    [
        ("http://a", "http://a:80", "/"),
        ("https://[::1]/m/predict/?a=1", "https://[::1]:443", "/m/predict/?a=1"),
    ],
)
def test_address_is_taken_apart(url, base, path):
    target = target_of(url, verify=False)
    assert (target.base, target.path) == (base, path)
