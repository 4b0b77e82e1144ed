"""The clients of a soak: good, bad, rude and slow ones, who check each answer they wait for.

Each client does everything in `KINDS` once, then draws what it does next from it, by weight. All
clients of a server pause together when they are asked to, with their connections closed: then what
a server still holds is its own.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httptools

from soak_client import Answer, Connection, Fault, Tally, connect

PATIENCE = 60.0
#: so long slow clients dawdle, altogether
DAWDLE = 0.4
PIECES = 4
#: requests at once that make a server use all its threads
AT_ONCE = 16
LARGEST = "form, spooled to disk"
#: requests on one connection
KEPT_FOR = (1, 5, 40)
BOUNDARY = "soak-boundary-5yYw0k"


def head(path: str, content_type: str = "", length: int = 0, method: str = "") -> bytes:
    """The head of a request, a POST where there is a body."""
    method = method or ("POST" if content_type else "GET")
    lines = [f"{method} {path} HTTP/1.1", "Host: soak"]
    if content_type:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(path: str, content_type: str, body: bytes) -> bytes:
    """A whole POST."""
    return head(path, content_type, len(body)) + body


def csv(rows: int, pad: int = 0) -> bytes:
    """A table with the numbers from 0 on, padded with a column of text."""
    if not pad:
        return b"a\n" + b"".join(b"%d\n" % row for row in range(rows))
    text = b"x" * pad
    return b"a,pad\n" + b"".join(b"%d,%s\n" % (row, text) for row in range(rows))


def predict(body: bytes) -> bytes:
    """Ask for predictions of a CSV, raw."""
    return post("/predict/", "text/csv", body)


def multipart(body: bytes) -> bytes:
    """Ask for predictions of a CSV in a form."""
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="X"; filename="X.csv"\r\n'
    whole = f"{part}Content-Type: text/csv\r\n\r\n".encode() + body
    whole += f"\r\n--{BOUNDARY}--\r\n".encode()
    return post("/predict/", f"multipart/form-data; boundary={BOUNDARY}", whole)


def chat(words: int, stream: bool) -> bytes:
    """Ask for so many words."""
    question = {"role": "user", "content": str(words)}
    body = {"model": "soak", "stream": stream, "messages": [question]}
    return post("/chat/completions", "application/json", json.dumps(body).encode())


class Client:
    """One client; `run` works until the traffic is over."""

    def __init__(self, traffic: Traffic, rng: random.Random, names: list[str]) -> None:
        self.port = traffic.port
        self.tally = traffic.tally
        self.readiness = traffic.readiness
        self._traffic = traffic
        self._rng = rng
        self._names = names
        self._weights = [KINDS[name][0] for name in names]
        self._connection: Connection | None = None
        self._left = 0

    async def run(self) -> None:
        """Do one thing after the other, with a pause whenever one is asked for."""
        begin = self._rng.sample(self._names, len(self._names))
        while not self._traffic.over:
            if self._traffic.pausing:
                await self._close()
                await self._traffic.park()
                continue
            await self._one(begin.pop() if begin else self._draw())
        await self._close()

    def _draw(self) -> str:
        return self._rng.choices(self._names, self._weights)[0]

    async def _one(self, name: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                stays = await KINDS[name][1](self)
        except (Fault, OSError, EOFError, TimeoutError, httptools.HttpParserError) as error:
            self.tally.fault(f"{name}: {type(error).__name__}: {error}")
            await self._close()
        else:
            (self.tally.right if stays else self.tally.left)[name] += 1

    async def ask(self, request: bytes) -> Answer:
        """The answer to a request, on a connection that is kept for some requests."""
        if self._connection is None:
            self._connection = await connect(self.port)
            self._left = self._rng.choice(KEPT_FOR)
        await self._connection.send(request)
        answer = await self._connection.answer()
        self._left -= 1
        if not self._left or not answer.keeps_alive:
            await self._close()
        return answer

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


@dataclass
class Traffic:
    """All clients of one server."""

    port: int
    seed: int
    clients: int = 6
    slow_clients: int = 2
    #: a worker that is being replaced says so
    readiness: tuple[int, ...] = (200,)
    tally: Tally = field(default_factory=Tally)
    over: bool = False
    pausing: bool = False
    _gate: asyncio.Barrier = field(init=False)

    def __post_init__(self) -> None:
        self._gate = asyncio.Barrier(self.clients + self.slow_clients + 1)

    async def run(self) -> None:
        """Let all clients work, until `over`."""
        slow = [name for name in KINDS if name.startswith("slow")]
        fast = [name for name in KINDS if name not in slow]
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients + self.slow_clients):
                rng = random.Random(self.seed * 1000 + number)
                names = fast if number < self.clients else slow
                group.create_task(Client(self, rng, names).run())

    async def fill(self, rounds: int) -> None:
        """Send the largest request many times at once, so that every thread has seen it.

        An allocator keeps for each thread what its largest request needed.
        """

        async def one() -> None:
            client = Client(self, random.Random(self.seed), [LARGEST])
            await client._one(LARGEST)
            await client._close()

        for _ in range(rounds):
            await asyncio.gather(*(one() for _ in range(AT_ONCE)))

    async def park(self) -> None:
        """A client waits here while there is a pause."""
        await self._gate.wait()
        await self._gate.wait()

    async def pause(self) -> None:
        """Return when all clients rest, without connections."""
        self.pausing = True
        await self._gate.wait()

    async def resume(self) -> None:
        """Let all clients go on."""
        self.pausing = False
        await self._gate.wait()


Act = Callable[[Client], Awaitable[bool]]


def check_predictions(client: Client, answer: Answer, rows: int) -> None:
    """Every row must have its own prediction."""
    if answer.status != 200:
        raise Fault(f"status {answer.status} {bytes(answer.body[:200])!r}")
    said = json.loads(answer.body)
    if said["predictions"] != [2.0 * row for row in range(rows)]:
        raise Fault(f"wrong predictions {bytes(answer.body[:200])!r}")
    client.tally.by_worker[said["extraModelOutput"]["data"][0][0]] += 1


def predicts(request: bytes, rows: int) -> Act:
    """Ask for predictions, and check them."""

    async def act(client: Client) -> bool:
        check_predictions(client, await client.ask(request), rows)
        return True

    return act


def gets(request: bytes, statuses: tuple[int, ...] = (200,), needle: bytes = b"") -> Act:
    """Ask for anything that is answered with one of the statuses, and has the needle in it."""

    async def act(client: Client) -> bool:
        answer = await client.ask(request)
        if answer.status not in statuses or needle not in answer.body:
            raise Fault(f"status {answer.status} {bytes(answer.body[:200])!r}")
        return True

    return act


async def is_ready(client: Client) -> bool:
    """The probe that fails, and may, on a worker that is being replaced."""
    answer = await client.ask(head("/readyz"))
    if answer.status not in client.readiness:
        raise Fault(f"status {answer.status} {bytes(answer.body[:200])!r}")
    return True


def streams(words: int) -> Act:
    """Read a stream to its end, every word of it."""
    request = chat(words, stream=True)

    async def act(client: Client) -> bool:
        answer = await client.ask(request)
        events = bytes(answer.body).split(b"\n\n")
        wrong = any(b'"word%d "' % n not in event for n, event in enumerate(events[:words]))
        if answer.status != 200 or len(events) != words + 2 or wrong:
            raise Fault(f"status {answer.status}, stream {bytes(answer.body[-200:])!r}")
        return True

    return act


def leaves(request: bytes, after: int = 0) -> Act:
    """Send something on a connection of its own, read at least so many bytes, and be gone."""

    async def act(client: Client) -> bool:
        connection = await connect(client.port)
        try:
            await connection.send(request)
            got = 0
            while got < after and (data := await connection.read(1024)):
                got += len(data)
        finally:
            connection.reset()
        return False

    return act


async def malformed(client: Client) -> bool:
    """What is no HTTP is refused, and the connection closed."""
    connection = await connect(client.port)
    try:
        await connection.send(b"NOT HTTP AT ALL\r\n\r\n")
        answer = await connection.read()
    finally:
        connection.reset()
    if b" 400 " not in answer.split(b"\r\n", 1)[0]:
        raise Fault(f"answered {answer[:200]!r}")
    return True


def sends_slowly(request: bytes, rows: int) -> Act:
    """The request comes in pieces."""
    size = len(request) // PIECES + 1

    async def act(client: Client) -> bool:
        connection = await connect(client.port)
        try:
            for begin in range(0, len(request), size):
                await connection.send(request[begin : begin + size])
                await asyncio.sleep(DAWDLE / PIECES)
            check_predictions(client, await connection.answer(), rows)
        finally:
            await connection.close()
        return True

    return act


def reads_slowly(request: bytes, rows: int) -> Act:
    """The answer is not read for a while."""

    async def act(client: Client) -> bool:
        connection = await connect(client.port)
        try:
            await connection.send(request)
            await asyncio.sleep(DAWDLE)
            check_predictions(client, await connection.answer(), rows)
        finally:
            await connection.close()
        return True

    return act


LARGE = 5000
BIG_CSV = csv(LARGE)
#: more than a server holds in memory
SPOOLED_ROWS, PAD = 4600, 1000
HALF = predict(BIG_CSV)[: len(BIG_CSV) // 2]

#: how often, and what; kinds whose act says False are not waited for
KINDS: dict[str, tuple[float, Act]] = {
    "1 row": (24, predicts(predict(csv(1)), 1)),
    "100 rows": (10, predicts(predict(csv(100)), 100)),
    "5,000 rows": (2, predicts(predict(BIG_CSV), LARGE)),
    "form, 100 rows": (8, predicts(multipart(csv(100)), 100)),
    LARGEST: (
        0.3,
        predicts(multipart(csv(SPOOLED_ROWS, PAD)), SPOOLED_ROWS),
    ),
    "chat": (2, gets(chat(3, stream=False), needle=b"word0 word1 word2 ")),
    "stream": (5, streams(20)),
    "probe /livez": (3, gets(head("/livez"))),
    "probe /readyz": (3, is_ready),
    "probe /health/": (2, gets(head("/health/"))),
    "probe /ping/": (2, gets(head("/ping/"))),
    "/info/": (1, gets(head("/info/"), needle=b"drumServer")),
    "/stats/": (1, gets(head("/stats/"), needle=b"time_info")),
    "/metrics": (1, gets(head("/metrics"), needle=b"drum_requests_total")),
    "/capabilities/": (1, gets(head("/capabilities/"))),
    "bad: no body": (2, gets(post("/predict/", "text/csv", b""), (422,))),
    "bad: no JSON": (2, gets(post("/predict/", "application/json", b'{"a": '), (422,))),
    "bad: no such route": (2, gets(head("/nowhere"), (404,))),
    "bad: method": (1, gets(head("/predict/"), (405,))),
    "bad: no HTTP": (1, malformed),
    "hook raises": (3, gets(predict(b"fail\n1\n"), (500,), b"asked the model to fail")),
    "leaves: connection": (2, leaves(b"")),
    "leaves: half a head": (2, leaves(b"POST /predict/ HTTP/1.1\r\nHost:")),
    "leaves: half a body": (2, leaves(HALF)),
    "leaves: half an answer": (2, leaves(predict(BIG_CSV), after=1000)),
    "leaves: half a stream": (2, leaves(chat(2000, stream=True), after=1000)),
    "slow body": (2, sends_slowly(predict(csv(100)), 100)),
    "slow reader": (2, reads_slowly(predict(BIG_CSV), LARGE)),
}
