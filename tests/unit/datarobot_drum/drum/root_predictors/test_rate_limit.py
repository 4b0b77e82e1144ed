"""How requests of a client are counted, and what happens when the storage is away."""

from __future__ import annotations

import importlib.util
import logging
import threading
import tracemalloc

import pytest
from tests.conftest import find_free_port
from tests.stand_ins.redis_server import redis_at

from datarobot_drum.drum.errors import RateLimited, StartupError, UsageError
from datarobot_drum.drum.root_predictors import rate_limit
from datarobot_drum.drum.root_predictors.bounded_windows import BoundedWindows
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.rate_limit import RateLimit
from datarobot_drum.drum.root_predictors.routes import ROUTES
from datarobot_drum.drum.settings import Settings


@pytest.fixture
def patient(monkeypatch):
    """The stand-in is slower than a Redis when the machine is busy."""
    monkeypatch.setattr(rate_limit, "STORAGE_TIMEOUT", 20)


class Clock:
    """Time that passes when a test says so; it begins with a new minute."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def wait_of(error: RateLimited) -> int:
    assert error.retry_after is not None
    assert error.retry_after >= 1
    return error.retry_after


def sent(limit: RateLimit, client: str, count: int) -> int:
    """How many of `count` requests get through."""
    return [limit.refusal(client) for _ in range(count)].count(None)


def test_burst_is_let_through_and_the_next_one_told_when_to_come_back(clock):
    limit = RateLimit(60, 10, clock=clock)
    assert sent(limit, "1.2.3.4", 10) == 10
    error = limit.refusal("1.2.3.4")
    assert isinstance(error, RateLimited)
    assert (error.status, error.retry_after) == (429, 2)
    assert str(error) == "too many requests; try again in 2 s"


def test_average_holds_over_a_minute_and_comes_back_little_by_little(clock):
    limit = RateLimit(30, 10, clock=clock)
    passed = 0
    for _ in range(60):
        passed += sent(limit, "1.2.3.4", 5)
        clock.now += 1
    assert passed == 30
    # a minute later the old window counts for half
    clock.now += 30
    assert sent(limit, "1.2.3.4", 10) == 10


def test_client_that_waits_as_told_is_let_through(clock):
    for count in (1, 3, 30, 61):
        limit = RateLimit(30, 1000, clock=clock)
        sent(limit, "1.2.3.4", count)
        for _ in range(40):
            error = limit.refusal("1.2.3.4")
            if error is not None:
                clock.now += wait_of(error)
                assert limit.refusal("1.2.3.4") is None
            clock.now += 0.7


def test_clients_do_not_share_a_limit(clock):
    limit = RateLimit(5, 5, clock=clock)
    assert sent(limit, "1.2.3.4", 9) == 5
    assert sent(limit, "1.2.3.5", 9) == 5
    assert sent(limit, "", 9) == 5


def test_ipv6_clients_are_known_by_their_network(clock):
    limit = RateLimit(5, 5, clock=clock)
    assert sent(limit, "2001:db8:1:2::1", 3) == 3
    assert sent(limit, "2001:db8:1:2:ffff::7%eth0", 9) == 2
    assert sent(limit, "2001:db8:1:3::1", 9) == 5


def test_counts_are_forgotten_after_two_windows(clock):
    limit = RateLimit(5, 5, clock=clock)
    assert sent(limit, "1.2.3.4", 9) == 5
    clock.now += 120
    assert sent(limit, "1.2.3.4", 9) == 5


def memory_of_windows() -> int:
    """Bytes that the windows and the library have asked for, whatever other threads do."""
    files = ("*/bounded_windows.py", "*/limits/*")
    snapshot = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(inclusive=True, filename_pattern=pattern) for pattern in files]
    )
    return sum(trace.size for trace in snapshot.traces)


def test_memory_is_bounded_however_many_clients_are_invented(clock):
    windows = BoundedWindows(clock, most_windows=1000)
    tracemalloc.start()
    try:
        for number in range(1000):
            windows.acquire_sliding_window_entry(f"client {number}", 1, 60)
        before = memory_of_windows()
        for number in range(1000, 100_000):
            windows.acquire_sliding_window_entry(f"client {number}", 1, 60)
        assert memory_of_windows() < before + 100_000
    finally:
        tracemalloc.stop()
    # those seen last are still known
    assert not windows.acquire_sliding_window_entry("client 99999", 1, 60)
    assert windows.acquire_sliding_window_entry("client 5", 1, 60)


def test_threads_count_exactly(clock):
    limit = RateLimit(1000, 1000, clock=clock)
    passed = []
    threads = [
        threading.Thread(target=lambda: passed.append(sent(limit, "1.2.3.4", 300)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 1000


def test_workers_share_a_storage(free_port, patient):
    with redis_at(free_port):
        address = f"redis://127.0.0.1:{free_port}"
        # a second lets more through than a minute, so that it does not matter when one begins
        first, second = RateLimit(20, 1000, address), RateLimit(20, 1000, address)
        assert first.is_shared
        passed = [sent(limit, "1.2.3.4", 8) for limit in (first, second, first, second)]
        assert passed == [8, 8, 4, 0]
        error = first.refusal("1.2.3.4")
        assert error is not None
        assert wait_of(error) <= 120


def test_requests_are_let_through_while_the_storage_is_away(clock, caplog, patient):
    port = find_free_port()
    limit = RateLimit(2, 1000, f"redis://127.0.0.1:{port}", clock)
    assert sent(limit, "1.2.3.4", 5) == 5
    (record,) = caplog.records
    assert "not limited until it is back" in record.getMessage()
    clock.now += rate_limit.STORAGE_PAUSE + 1
    with redis_at(port):
        assert limit.refusal("1.2.3.4") is None
        assert "the storage of rate limits is back" in caplog.text
        assert sent(limit, "1.2.3.4", 5) == 1
    assert sent(limit, "1.2.3.4", 5) == 5
    assert caplog.text.count("not limited until it is back") == 2
    assert f":{port}" not in caplog.text


def test_workers_that_count_for_themselves_say_so(caplog):
    caplog.set_level(logging.INFO)
    rate_limit.check(Settings())
    assert caplog.records == []
    assert rate_limit.from_settings(Settings()) is None
    settings = Settings(rate_limit_enabled=True)
    rate_limit.check(settings)
    assert "each worker counts for itself" in caplog.text
    limit = rate_limit.from_settings(settings)
    assert limit is not None
    assert not limit.is_shared


@pytest.mark.parametrize(
    "address", ["memory://", "s3cret", "redis+odd://:s3cret@h", "redis://:s3cret@h:port", "redis:"]
)
def test_storage_that_cannot_be_stops_the_start_without_being_shown(address):
    settings = Settings(rate_limit_enabled=True, rate_limit_storage=address)
    with pytest.raises(UsageError, match=r"DRUM_RATE_LIMIT_STORAGE has a bad value") as caught:
        rate_limit.check(settings)
    assert "s3cret" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_storage_without_its_library_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "redis", None)
    settings = Settings(rate_limit_enabled=True, rate_limit_storage="redis://h")
    with pytest.raises(StartupError, match=r"pip install 'opendrum\[redis\]'") as caught:
        rate_limit.check(settings)
    assert caught.value.exit_code == 1


def test_good_storage_is_not_connected_to_at_the_start():
    assert importlib.util.find_spec("redis") is not None
    address = "redis://192.0.2.1:6379/0"
    rate_limit.check(Settings(rate_limit_enabled=True, rate_limit_storage=address))


def test_probes_are_exempt_by_their_route():
    exempt = {route.name for route in ROUTES if rate_limit.is_exempt(route)}
    assert {"ping", "livez", "readyz", "startupz", "health"} <= exempt
    assert not exempt & {"predict", "transform", "chat", "info", "stats", "forward_request"}


def test_request_outside_of_a_record_is_not_limited(clock):
    limit = RateLimit(1, 1, clock=clock)
    server = PredictionServer()
    for _ in range(3):
        assert rate_limit.refused(server, limit, "/info/") is None
