"""A known mix of requests, good and bad, over many connections; each answer is counted.

What the server says in `/metrics` must be exactly what these clients counted.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: method, endpoint and status
Key = tuple[str, str, str]
Tally = Counter[Key]

CSV = {"Content-Type": "text/csv"}
PATIENCE = 60.0
#: Requests on a connection until it is closed; each client has its own number.
KEPT_FOR = (1, 2, 7, 50)


@dataclass(frozen=True)
class Sent:
    """One request, and the endpoint under which it is counted."""

    method: str
    path: str
    endpoint: str
    body: bytes = b""


def prediction(body: bytes, path: str = "/predict/") -> Sent:
    """A table for the model; all its paths count as one endpoint."""
    return Sent("POST", path, "/predict/", body)


def mix(times: int, limit: int) -> list[Sent]:
    """Each kind of answer several times: good ones and errors of client, model and limits."""
    return times * [
        *(prediction(b"a\n1\n2\n", path) for path in ("/predict/", "/predict", "/invocations")),
        Sent("GET", "/ping/", "/"),
        Sent("GET", "/info/", "/info/"),
        Sent("HEAD", "/capabilities/", "/capabilities/"),
        prediction(b""),
        prediction(b"fail\n1\n"),
        prediction(b"a\n" + b"1\n" * limit),
        Sent("GET", "/predict/?x=1", "/predict/"),
        Sent("GET", "/nowhere/17", "unmatched"),
    ]


def send(port: int, requests: Iterable[Sent], clients: int = 8) -> Tally:
    """Send all of them, `clients` at a time; how often there was which answer."""
    left = _Shared(requests)
    tallies = [Tally() for _ in range(clients)]
    threads = [
        threading.Thread(target=_client, args=(port, left, tally, KEPT_FOR[number % 4]))
        for number, tally in enumerate(tallies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
        assert not thread.is_alive(), "a client did not end"
    return sum(tallies, Tally())


class _Shared:
    """Requests that several threads take turns to send."""

    def __init__(self, requests: Iterable[Sent]) -> None:
        self._left = iter(list(requests))
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Sent]:
        return self

    def __next__(self) -> Sent:
        with self._lock:
            return next(self._left)


def _client(port: int, requests: Iterable[Sent], tally: Tally, kept_for: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    for number, sent in enumerate(requests, 1):
        tally[sent.method, sent.endpoint, str(_status(connection, sent))] += 1
        if number % kept_for == 0:
            connection.close()
    connection.close()


def _status(connection: http.client.HTTPConnection, sent: Sent) -> int:
    """The answer's status; once more where a kept connection was closed in the meantime."""
    is_kept = connection.sock is not None
    try:
        return _exchange(connection, sent)
    except (ConnectionError, http.client.RemoteDisconnected):
        connection.close()
        if not is_kept:
            raise
        return _exchange(connection, sent)


def _exchange(connection: http.client.HTTPConnection, sent: Sent) -> int:
    connection.request(sent.method, sent.path, sent.body or None, CSV)
    reply = connection.getresponse()
    reply.read()
    return reply.status
