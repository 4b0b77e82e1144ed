"""Figures of several processes: real forks that count, end, and are merged."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, Gauge, Summary, values

from datarobot_drum.drum.observability import metric_files, shared_values
from datarobot_drum.drum.observability.metric_files import (
    FOLDER_VARIABLE,
    READING,
    MetricFiles,
)
from datarobot_drum.drum.observability.metrics import Metrics
from datarobot_drum.drum.observability.record import Record
from datarobot_drum.drum.observability.shared_values import LIBRARY_VARIABLE, keep_values_in

Worker = Callable[[Callable[[], object]], int]

KINDS = ("counter", "histogram")
#: the kernel gives no process a number as high as this
NO_PID = 1 << 22


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricFiles]:
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    files = MetricFiles.create([tmp_path])
    yield files
    files.remove()


@pytest.fixture
def in_fork() -> Worker:
    """`in_fork(work)` runs it in a process of its own to the end; the pid."""

    def run(work: Callable[[], object]) -> int:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                work()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
        return pid

    return run


def count(files: MetricFiles, requests: int = 1, busy: float = 1) -> None:
    """What one worker does in its life."""
    metrics = Metrics("gunicorn", [("POST", "/predict/")], files=files)
    for _ in range(requests):
        record = Record("id", "POST", "/predict/")
        record.route, record.status, record.seconds = "/predict/", 200, 0.01
        metrics.record(record)
    metrics.set("drum_executor_workers_busy", busy)
    metrics.set("drum_model_load_seconds", busy)


def told(files: MetricFiles) -> dict[str, float]:
    """The samples that are not nothing, by their name."""
    samples = [sample for family in files.families() for sample in family.samples]
    return {sample.name: sample.value for sample in samples if sample.value}


def names(files: MetricFiles) -> set[str]:
    return {path.name for path in files.folder.glob("*.db")}


def test_folder_is_private_and_known_to_workers(files: MetricFiles, tmp_path: Path) -> None:
    assert files.folder.parent == tmp_path
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    found = MetricFiles.from_environment({FOLDER_VARIABLE: str(files.folder)})
    assert found is not None and found.folder == files.folder
    assert MetricFiles.from_environment({}) is None


def test_folder_lies_in_memory_where_there_is_some() -> None:
    files = MetricFiles.create()
    try:
        assert files.folder.parent in metric_files._places()
    finally:
        files.remove()
    assert not files.folder.exists()


def test_folder_is_elsewhere_when_the_first_place_is_full(tmp_path: Path) -> None:
    files = MetricFiles.create([tmp_path / "missing", tmp_path])
    assert files.folder.parent == tmp_path


def test_place_without_shared_memory_is_the_usual_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(metric_files, "SHARED_MEMORY", tmp_path / "missing")
    assert len(metric_files._places()) == 1


def test_totals_are_those_of_all_processes(files: MetricFiles, in_fork: Worker) -> None:
    for requests in (3, 4):
        in_fork(partial(count, files, requests))
    assert told(files)["drum_requests_total"] == 7
    assert told(files)["drum_request_duration_seconds_count"] == 7
    assert told(files)["drum_request_duration_seconds_sum"] == pytest.approx(0.07)


def test_ended_processes_leave_counts_and_no_gauges(files: MetricFiles, in_fork: Worker) -> None:
    count(files, 1, busy=2)
    ended = in_fork(lambda: count(files, 2, busy=5))
    files.forget(ended)
    found = told(files)
    assert (found["drum_requests_total"], found["drum_executor_workers_busy"]) == (3, 2)
    assert found["drum_model_load_seconds"] == 2
    assert not any(str(ended) in name for name in names(files))


def test_gauges_of_running_processes_are_summed_or_the_greatest(
    files: MetricFiles, in_fork: Worker
) -> None:
    count(files, busy=2)

    def look() -> None:
        count(files, busy=5)
        found = told(files)
        assert (found["drum_executor_workers_busy"], found["drum_model_load_seconds"]) == (7, 5)

    in_fork(look)


def test_files_do_not_grow_with_recycled_workers(files: MetricFiles, in_fork: Worker) -> None:
    for _ in range(30):
        files.forget(in_fork(lambda: count(files)))
    assert names(files) == {"counter_ended.db", "histogram_ended.db"}
    assert told(files)["drum_requests_total"] == 30


def test_hundreds_of_recycled_workers_leave_two_files_of_the_same_size(
    files: MetricFiles, in_fork: Worker
) -> None:
    pid = in_fork(lambda: count(files))
    left = {kind: (files.folder / f"{kind}_{pid}.db").read_bytes() for kind in KINDS}
    files.forget(pid)
    size = sum(path.stat().st_size for path in files.folder.glob("*.db"))
    for number in range(500):
        for kind, data in left.items():
            (files.folder / f"{kind}_{NO_PID + number}.db").write_bytes(data)
        if number % 10 == 0:
            files.forget(NO_PID + number)
    # most ended without the arbiter being told, and are merged with the next one
    assert told(files)["drum_requests_total"] == 501
    assert told(files)["drum_request_duration_seconds_count"] == 501
    assert names(files) == {"counter_ended.db", "histogram_ended.db"}
    assert sum(path.stat().st_size for path in files.folder.glob("*.db")) == size


def test_process_that_nobody_told_of_is_merged_when_figures_are_read(
    files: MetricFiles, in_fork: Worker
) -> None:
    pid = in_fork(lambda: count(files))
    assert any(str(pid) in name for name in names(files))
    assert told(files)["drum_requests_total"] == 1
    assert names(files) == {"counter_ended.db", "histogram_ended.db"}


@pytest.mark.parametrize("pid", [os.getppid(), NO_PID], ids=["running", "killed"])
def test_file_that_was_only_begun_is_no_hindrance(
    files: MetricFiles, in_fork: Worker, pid: int
) -> None:
    in_fork(lambda: count(files, requests=2))
    for kind in KINDS:
        (files.folder / f"{kind}_{pid}.db").touch()
    for _ in range(2):
        assert told(files)["drum_requests_total"] == 2


def test_files_are_not_merged_while_somebody_reads(files: MetricFiles, in_fork: Worker) -> None:
    pid = in_fork(lambda: count(files))
    with (files.folder / READING).open("w") as reading:
        fcntl.flock(reading, fcntl.LOCK_SH)
        files.forget(pid)
        assert f"counter_{pid}.db" in names(files)
        assert told(files)["drum_requests_total"] == 1
    files.forget(pid)
    assert names(files) == {"counter_ended.db", "histogram_ended.db"}


def die_at(call: int) -> None:
    """End this process, as a kill does, at that call which renames or deletes a file."""
    left = [call]

    def dying(real: Callable[..., None]) -> Callable[..., None]:
        def at_last(*args: Any, **kwargs: Any) -> None:
            if not left[0]:
                os._exit(0)
            left[0] -= 1
            real(*args, **kwargs)

        return at_last

    os.unlink, os.replace = dying(os.unlink), dying(os.replace)


@pytest.mark.parametrize("call", range(14))
def test_process_that_is_killed_while_it_merges_changes_no_sums(
    call: int, files: MetricFiles, in_fork: Worker
) -> None:
    files.forget(in_fork(lambda: count(files)))
    ended = in_fork(lambda: count(files, 2))

    def forget() -> None:
        die_at(call)
        files.forget(ended)

    in_fork(forget)
    with (files.folder / READING).open("w") as reading:
        # nobody can repair it now
        fcntl.flock(reading, fcntl.LOCK_SH)
        assert told(files)["drum_requests_total"] == 3
    files.forget(in_fork(lambda: count(files)))
    assert told(files)["drum_requests_total"] == 4
    assert told(files)["drum_request_duration_seconds_count"] == 4
    assert names(files) == {"counter_ended.db", "histogram_ended.db"}


def test_full_disk_keeps_the_files_of_ended_processes(
    files: MetricFiles, in_fork: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = in_fork(lambda: count(files))

    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        files.forget(ended)
        assert f"counter_{ended}.db" in names(files)
        assert told(files)["drum_requests_total"] == 1
    assert told(files)["drum_requests_total"] == 1
    assert names(files) == {"counter_ended.db", "histogram_ended.db"}


def test_figures_are_not_read_while_somebody_merges(
    files: MetricFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(files)
    monkeypatch.setattr(metric_files, "PATIENCE", 0.02)
    with (files.folder / READING).open("w") as reading:
        fcntl.flock(reading, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="changed by another process"):
            files.families()


def test_removed_folder_is_no_error_for_those_who_end(files: MetricFiles) -> None:
    files.remove()
    files.forget(os.getpid())
    files.sweep()
    files.remove()


def test_process_of_another_user_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    assert metric_files._is_alive(os.getpid())
    monkeypatch.setattr(os, "kill", refuse)
    assert metric_files._is_alive(1)


def test_folder_that_a_killed_server_left_is_removed(
    tmp_path: Path, in_fork: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    in_fork(lambda: MetricFiles.create([tmp_path]))
    (left,) = tmp_path.iterdir()
    mine = MetricFiles.create([tmp_path])
    assert list(tmp_path.iterdir()) == [mine.folder]
    assert str(left) in caplog.text


def test_folders_in_use_and_of_others_stay(tmp_path: Path, files: MetricFiles) -> None:
    (tmp_path / "drum-metrics-no-lock").mkdir()
    (tmp_path / "drum-metrics-link").symlink_to(tmp_path)
    before = set(tmp_path.iterdir())
    other = MetricFiles.create([tmp_path])
    assert set(tmp_path.iterdir()) == before | {other.folder}


def test_folder_is_in_use_as_long_as_a_fork_lives(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    first = os.fork()
    if not first:
        MetricFiles.create([tmp_path])
        if os.fork():
            os._exit(0)
        os.read(reader, 1)
        os._exit(0)
    os.waitpid(first, 0)
    (folder,) = tmp_path.iterdir()
    metric_files.remove_unused(tmp_path)
    assert folder.exists()
    os.write(writer, b"x")
    while folder.exists():
        metric_files.remove_unused(tmp_path)
        time.sleep(0.01)
    os.close(reader)
    os.close(writer)


def test_metrics_of_model_code_are_summed_as_well(files: MetricFiles, in_fork: Worker) -> None:
    def serve(jokes: int) -> None:
        keep_values_in(files.folder)
        Counter("jokes_told", "…", registry=None).inc(jokes)
        Summary("laughs", "…", registry=None).observe(jokes)
        recent = Gauge("mood", "…", registry=None, multiprocess_mode="livemostrecent")
        recent.set(jokes)
        assert told(files)["mood"] == jokes

    for jokes in (2, 3):
        in_fork(partial(serve, jokes))
    found = told(files)
    assert (found["jokes_told_total"], found["laughs_sum"], found["laughs_count"]) == (5, 5, 2)
    assert "mood" not in found


def test_fork_of_a_worker_counts_for_itself(files: MetricFiles, in_fork: Worker) -> None:
    keep_values_in(files.folder)
    counter = Counter("jokes_told", "…", registry=None)
    gauge = Gauge("mood", "…", registry=None, multiprocess_mode="livesum")
    counter.inc(10)
    gauge.set(10)

    def child() -> None:
        assert counter._value.get() == 0
        counter.inc(5)
        gauge.set(5)
        assert told(files)["mood"] == 15

    in_fork(child)
    assert counter._value.get() == 10
    assert (told(files)["jokes_told_total"], told(files)["mood"]) == (15, 10)


def test_files_grow_with_their_values(files: MetricFiles) -> None:
    keep_values_in(files.folder)
    counter = Counter("jokes_told", "…", ["kind"], registry=None)
    for kind in range(1000):
        counter.labels(f"{kind:060}").inc()
    total = sum(s.value for f in files.families() for s in f.samples)
    assert total == 1000
    (path,) = files.folder.glob("counter_*.db")
    assert path.stat().st_blocks * 512 >= path.stat().st_size > shared_values.INITIAL_SIZE


@pytest.mark.parametrize("allowed", [0, 1])
def test_full_disk_costs_figures_not_the_worker(
    allowed: int,
    files: MetricFiles,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With one allowance the file can be made but not grow."""
    left = [allowed]
    allocate = os.posix_fallocate

    def full(descriptor: int, start: int, size: int) -> None:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1
        allocate(descriptor, start, size)

    monkeypatch.setattr(os, "posix_fallocate", full)
    keep_values_in(files.folder)
    counter = Counter("jokes_told", "…", ["kind"], registry=None)
    for kind in range(400):
        counter.labels(f"{kind:060}").inc()
    assert caplog.text.count("metrics are incomplete") == 1
    counter.labels("0" * 60).inc()


def test_variable_of_the_library_is_changed_only_where_it_was_set(
    files: MetricFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_values_in(files.folder)
    assert LIBRARY_VARIABLE not in os.environ
    monkeypatch.setenv(LIBRARY_VARIABLE, "/elsewhere")
    keep_values_in(files.folder)
    assert os.environ[LIBRARY_VARIABLE] == str(files.folder)


def test_values_have_no_exemplars(files: MetricFiles) -> None:
    keep_values_in(files.folder)
    counter = Counter("jokes_told", "…", registry=None)
    counter.inc(1, {"trace_id": "1"})
    assert counter._value.get_exemplar() is None


def test_folder_gone_during_a_read_is_an_empty_page(files: MetricFiles) -> None:
    shutil.rmtree(files.folder)
    with pytest.raises(TimeoutError):
        files.families()
