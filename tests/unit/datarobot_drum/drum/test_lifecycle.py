"""Ordered steps at the end of a worker."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time

import pytest

from datarobot_drum.drum.lifecycle import WorkerLifecycle, get_worker_ctx, replace_worker


def fail() -> None:
    raise ValueError("stuck")


def test_worker_runs_from_start_to_stop() -> None:
    lifecycle = WorkerLifecycle()
    assert not lifecycle.running()
    lifecycle.start()
    assert lifecycle.running()
    lifecycle.stop()
    assert not lifecycle.running()


def test_stop_steps_run_in_ascending_order_equal_ones_as_registered() -> None:
    lifecycle, done = WorkerLifecycle(), list[str]()
    for name, order in (("b", 1), ("c", 1), ("d", 2), ("a", -1)):
        lifecycle.defer_stop(lambda name=name: done.append(name), order=order)  # type: ignore[misc]
    lifecycle.stop()
    assert done == ["a", "b", "c", "d"]


def test_cleanup_steps_run_in_descending_order_and_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    lifecycle, done = WorkerLifecycle(), list[str]()
    for name, order in (("b", 1), ("c", 1), ("a", 2), ("d", -1)):
        lifecycle.defer_cleanup(
            lambda name=name: done.append(name),  # type: ignore[misc]
            order=order,
            desc=f"step {name}",
        )
    lifecycle.cleanup()
    assert done == ["a", "b", "c", "d"]
    assert caplog.messages == [f"WorkerCtx cleanup: step {name}" for name in "abcd"]


def test_both_may_be_called_twice() -> None:
    lifecycle, done = WorkerLifecycle(), list[str]()
    lifecycle.defer_stop(lambda: done.append("stop"))
    lifecycle.defer_cleanup(lambda: done.append("cleanup"))
    for _ in range(2):
        lifecycle.stop()
        lifecycle.cleanup()
    assert done == ["stop", "cleanup"]


def test_step_that_fails_is_logged_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lifecycle, done = WorkerLifecycle(), list[str]()
    lifecycle.defer_stop(fail, desc="first")
    lifecycle.defer_stop(lambda: done.append("second"))
    lifecycle.defer_cleanup(fail, order=1)
    lifecycle.defer_cleanup(lambda: done.append("cleanup"))
    lifecycle.stop()
    lifecycle.cleanup()
    assert done == ["second", "cleanup"]
    assert "step 'first' failed; going on with the next" in caplog.text
    assert "ValueError: stuck" in caplog.text


def test_thread_becomes_a_daemon_and_is_joined_at_stop() -> None:
    lifecycle, release = WorkerLifecycle(), threading.Event()
    thread = threading.Thread(target=release.wait, args=(30,))
    lifecycle.add_thread(thread)
    assert thread.daemon
    lifecycle.defer_stop(release.set, order=-1)
    thread.start()
    lifecycle.stop()
    assert not thread.is_alive()


def test_thread_that_runs_already_stays_as_it_is_and_does_not_hold_the_stop() -> None:
    lifecycle, release = WorkerLifecycle(), threading.Event()
    thread = threading.Thread(target=release.wait, args=(30,))
    thread.start()
    lifecycle.add_thread(thread, join_timeout=0, name="stubborn")
    lifecycle.stop()
    assert thread.is_alive()
    assert not thread.daemon
    release.set()
    thread.join(30)


class Closeable:
    """Something with an end."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def close(self) -> None:
        self.calls.append("close")

    def shutdown(self) -> None:
        self.calls.append("shutdown")


def test_closeable_is_closed_at_cleanup(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lifecycle, owner = WorkerLifecycle(), Closeable()
    lifecycle.add_closeable(owner)
    lifecycle.add_closeable(owner, "shutdown", order=1, desc="it")
    lifecycle.stop()
    assert owner.calls == []
    lifecycle.cleanup()
    assert owner.calls == ["shutdown", "close"]
    assert caplog.messages == ["WorkerCtx cleanup: it", "WorkerCtx cleanup: Closeable.close"]


@pytest.mark.parametrize("method", ["missing", "calls"])
def test_closeable_without_the_method_is_left_alone(method: str) -> None:
    lifecycle = WorkerLifecycle()
    lifecycle.add_closeable(Closeable(), method)
    lifecycle.cleanup()


def test_threads_are_joined_at_the_same_time() -> None:
    lifecycle, release = WorkerLifecycle(), threading.Event()
    threads = [threading.Thread(target=release.wait, args=(30,)) for _ in range(5)]
    for thread in threads:
        lifecycle.add_thread(thread, join_timeout=0.2)
        thread.start()
    began = time.monotonic()
    lifecycle.stop()
    assert 0.2 <= time.monotonic() - began < 0.9
    release.set()
    for thread in threads:
        thread.join(30)


def test_step_that_is_stuck_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    lifecycle, release, done = WorkerLifecycle(), threading.Event(), list[str]()
    lifecycle.defer_stop(lambda: release.wait(30), desc="stuck", timeout=0.05)
    lifecycle.defer_stop(lambda: done.append("next"))
    lifecycle.stop()
    release.set()
    assert done == ["next"]
    assert "step 'stuck' did not end within 0.1 s; going on with the next" in caplog.text


def test_no_step_takes_longer_than_the_worker_has(caplog: pytest.LogCaptureFixture) -> None:
    lifecycle, release = WorkerLifecycle(), threading.Event()
    lifecycle.end_by(time.monotonic() - 1)
    lifecycle.defer_cleanup(lambda: release.wait(30), timeout=20)
    began = time.monotonic()
    lifecycle.cleanup()
    release.set()
    assert time.monotonic() - began < 5


def test_coroutine_functions_are_awaited() -> None:
    lifecycle, done = WorkerLifecycle(), list[str]()

    async def close() -> None:
        await asyncio.sleep(0)
        done.append("closed")

    lifecycle.defer_stop(close)
    lifecycle.defer_cleanup(close)
    lifecycle.stop()
    lifecycle.cleanup()
    assert done == ["closed", "closed"]


def test_coroutine_functions_run_on_the_loop_of_the_worker() -> None:
    lifecycle, loops = WorkerLifecycle(), list[object]()

    async def close() -> None:
        loops.append(asyncio.get_running_loop())

    async def live() -> None:
        lifecycle._loop = asyncio.get_running_loop()
        lifecycle.defer_cleanup(close)
        await asyncio.to_thread(lifecycle.cleanup)
        assert loops == [asyncio.get_running_loop()]

    asyncio.run(live())


def test_coroutine_that_never_ends_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    lifecycle = WorkerLifecycle()
    lifecycle.defer_stop(lambda: asyncio.sleep(30), desc="sleep", timeout=0.1)
    lifecycle.stop()
    assert "step 'sleep'" in caplog.text


class Killable:
    """As a greenlet, as far as the lifecycle knows it."""

    def __init__(self) -> None:
        self.timeouts: list[float] = []

    def kill(self, *, timeout: float) -> None:
        self.timeouts.append(timeout)


def test_greenlet_is_killed_at_stop() -> None:
    lifecycle, greenlet = WorkerLifecycle(), Killable()
    lifecycle.add_greenlet(greenlet, kill_timeout=3)
    lifecycle.stop()
    assert greenlet.timeouts == [3]


class Replaceable(WorkerLifecycle):
    """Counts its ends instead of ending this process."""

    ends = 0

    def end_process(self) -> None:
        self.ends += 1


def test_worker_is_replaced_once(caplog: pytest.LogCaptureFixture) -> None:
    lifecycle = Replaceable()
    lifecycle.start()
    assert get_worker_ctx() is lifecycle
    for _ in range(2):
        replace_worker("all slots are stuck")
    assert (lifecycle.ends, lifecycle.leaving) == (1, True)
    assert caplog.messages == ["this worker is drained and replaced: all slots are stuck"]


def test_process_that_is_no_worker_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datarobot_drum.drum.lifecycle._current", [])
    assert get_worker_ctx() is None
    replace_worker("nothing to replace")


def test_worker_ends_itself_with_sigterm() -> None:
    heard = threading.Event()
    old = signal.signal(signal.SIGTERM, lambda number, frame: heard.set())
    try:
        WorkerLifecycle().end_process()
        # the kernel may give it to any thread, which wakes no main thread that waits for long
        assert any(heard.wait(0.01) for _ in range(1000))
    finally:
        signal.signal(signal.SIGTERM, old)
