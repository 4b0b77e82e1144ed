"""Two ways to make load.

Closed loop: each client sends its next request when it has the answer to the last one. A slow
server gets fewer requests, so the latencies are those of a server that is never overrun.

Open loop: requests start at fixed times, whether or not the earlier ones were answered, and a
latency counts from the time at which its request should have started. So a pause of the server
shows in every request that it delayed, and none is left out ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from datarobot_drum.drum.cli.load_test.client import Answer, Pool, Target
from datarobot_drum.drum.cli.load_test.histogram import Histogram

#: Open requests beyond it wait in the client, and the wait counts as latency.
MAX_CONNECTIONS = 500
#: Kinds of errors that are told apart.
MAX_REASONS = 20

Progress = Callable[[int], None]


@dataclass
class Outcome:
    """What a load saw; `lag` is how late the client itself started requests (open loop)."""

    latency: Histogram = field(default_factory=Histogram)
    lag: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)
    started: int = 0
    seconds: float = 0.0
    timed_out: bool = False

    @property
    def failed(self) -> int:
        """Requests without a good answer."""
        return self.errors.total()

    @property
    def requests(self) -> int:
        """All requests that came to an end."""
        return self.latency.count + self.failed

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.latency.count / self.seconds if self.seconds else 0.0

    def fail(self, reason: str) -> None:
        """Count a request without a good answer; rare kinds of reasons are counted as one."""
        known = reason in self.errors or len(self.errors) < MAX_REASONS
        self.errors[reason if known else "other"] += 1


@dataclass(frozen=True)
class Closed:
    """So many clients, for a number of requests or for a time."""

    clients: int = 1
    iterations: int | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        return "closed" if self.clients == 1 else f"closed x{self.clients}"

    async def run(self, target: Target, request: bytes, outcome: Outcome, step: Progress) -> None:
        """Send until there is enough; with a number of requests, the first failure ends it."""
        numbers = itertools.count() if self.iterations is None else iter(range(self.iterations))
        end = time.perf_counter() + self.seconds if self.seconds else None
        pool = Pool(target)
        loop = _ClosedLoop(pool, request, outcome, step, stops=self.iterations is not None)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.clients):
                    group.create_task(loop.client(numbers, end))
        finally:
            pool.close()


@dataclass
class _ClosedLoop:
    pool: Pool
    request: bytes
    outcome: Outcome
    step: Progress
    stops: bool

    async def client(self, numbers: Iterator[int], end: float | None) -> None:
        for _ in numbers:
            begin = time.perf_counter()
            if (end is not None and begin >= end) or (self.stops and self.outcome.failed):
                return
            self.outcome.started += 1
            await _send(self.pool, self.request, begin, self.outcome)
            self.step(1)


@dataclass(frozen=True)
class Open:
    """So many requests a second, for so many seconds."""

    rate: float
    seconds: float

    def __str__(self) -> str:
        return f"open {self.rate:g}/s"

    async def run(self, target: Target, request: bytes, outcome: Outcome, step: Progress) -> None:
        """Start all requests on time, then wait for those that are still out."""
        pool, places = Pool(target), asyncio.Semaphore(MAX_CONNECTIONS)

        async def one(intended: float) -> None:
            outcome.started += 1
            outcome.lag.add(max(0.0, time.perf_counter() - intended))
            async with places:
                await _send(pool, request, intended, outcome)
            step(1)

        begin = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(max(1, round(self.rate * self.seconds))):
                    intended = begin + number / self.rate
                    delay = intended - time.perf_counter()
                    # even when late, let answers in between two starts
                    await asyncio.sleep(max(0.0, delay))
                    group.create_task(one(intended))
        finally:
            pool.close()


Load = Closed | Open


async def _send(pool: Pool, request: bytes, begin: float, outcome: Outcome) -> None:
    try:
        answer: Answer = await pool.send(request)
    except OSError as error:
        outcome.fail(str(error) or type(error).__name__)
        if not outcome.latency.count:
            await asyncio.sleep(0.01)  # a server that is not there would be asked for ever
        return
    if answer.is_good:
        outcome.latency.add(time.perf_counter() - begin)
    else:
        outcome.fail(answer.reason)


def run_load(
    load: Load, target: Target, request: bytes, timeout: float, step: Progress = lambda count: None
) -> Outcome:
    """Make the load and tell what came of it; after `timeout` seconds it is broken off."""
    outcome = Outcome()

    async def bounded() -> None:
        async with asyncio.timeout(timeout):
            await load.run(target, request, outcome, step)

    begin = time.perf_counter()
    try:
        asyncio.run(bounded())
    except TimeoutError:
        outcome.timed_out = True
        outcome.errors[f"no answer within {timeout:g} s"] += outcome.started - outcome.requests
    outcome.seconds = time.perf_counter() - begin
    return outcome
