"""Ordered steps at the end of a worker."""

from __future__ import annotations

import logging
import threading

import pytest

from datarobot_drum.drum.lifecycle import WorkerLifecycle


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
