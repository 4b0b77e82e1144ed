"""Serves model folders in process on every front; fixture `client`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from blockbuster import BlockBuster
from tests.contract.asgi_front import EventLoopThread
from tests.contract.serving import FRONTS, Client, Served, serving

# before its first import: failures then show the values that were compared
pytest.register_assert_rewrite("tests.contract.checks")

Serve = Callable[..., Client]
#: Shared servers at a time; a test uses three at most.
MOST_SERVERS = 24
USER_MODULES = ("custom", "custom_flask", "custom_fastapi")


@pytest.fixture(scope="session")
def event_loop() -> Iterator[EventLoopThread]:
    """The event loop of all FastAPI servers under test."""
    thread = EventLoopThread()
    yield thread
    thread.stop()


@pytest.fixture(scope="session")
def blockbuster() -> BlockBuster:
    """Notices blocking calls on an event loop while it is active."""
    blockbuster = BlockBuster()
    # coverage meets a new file on two threads at once
    for lock in ("threading.Lock.acquire", "threading.Lock.acquire_lock"):
        blockbuster.functions[lock].can_block_in("coverage/collector.py", "lock_data")
    return blockbuster


@pytest.fixture
def guard(event_loop: EventLoopThread, blockbuster: BlockBuster) -> Iterator[None]:
    """Fails the test when something blocks the event loop, or goes wrong on it unseen."""
    event_loop.failures.clear()
    blockbuster.activate()
    yield
    blockbuster.deactivate()
    assert event_loop.failures == []


@pytest.fixture(scope="session")
def user_modules() -> Iterator[None]:
    """Forget the modules of model folders at the end."""
    yield
    for name in USER_MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def shared_clients(
    event_loop: EventLoopThread, tmp_path_factory: pytest.TempPathFactory, user_modules: None
) -> Iterator[Serve]:
    """`shared_clients(served, front)`: servers that many tests use, one for each pair.

    The one that was not used for longest ends for a new one: each has threads that look about.
    """
    running: dict[tuple[Served, str], tuple[Client, ExitStack]] = {}

    def client(served: Served, front: str) -> Client:
        found = running.pop((served, front), None)
        if found is None:
            if len(running) >= MOST_SERVERS:
                running.pop(next(iter(running)))[1].close()
            place, stack = tmp_path_factory.mktemp(served.folder), ExitStack()
            found = stack.enter_context(serving(served, front, place, event_loop)), stack
        running[served, front] = found
        return found[0]

    yield client
    for _, stack in running.values():
        stack.close()


@pytest.fixture(params=FRONTS)
def front(request: pytest.FixtureRequest) -> str:
    """Each of the three fronts in turn."""
    return str(request.param)


@pytest.fixture
def client(front: str, shared_clients: Serve, guard: None) -> Callable[[Served], Client]:
    """`client(served)` talks to a model that other tests use as well."""
    return lambda served: shared_clients(served, front)


@pytest.fixture
def own_client(
    front: str,
    event_loop: EventLoopThread,
    tmp_path_factory: pytest.TempPathFactory,
    user_modules: None,
    guard: None,
) -> Iterator[Serve]:
    """`own_client(served, wait=…)` talks to a server of this test alone, stopped at its end."""
    with ExitStack() as running:

        def start(served: Served, *, wait: bool = True) -> Client:
            place = tmp_path_factory.mktemp(served.folder)
            return running.enter_context(serving(served, front, place, event_loop, wait=wait))

        yield start
