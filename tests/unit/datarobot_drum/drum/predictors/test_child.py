"""A model process: it answers, it dies, it hangs, it talks nonsense; this program goes on."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path

import psutil
import pytest

from datarobot_drum.drum.errors import InvalidInput, NotReady, Overloaded
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.predictors import child as child_module
from datarobot_drum.drum.predictors.child import ChildDied, ChildError, ChildProcess
from datarobot_drum.drum.predictors.frames import MAGIC, Frame

SCRIPT = str(Path(__file__).resolve().parents[4] / "fixtures" / "model_child.py")

MakeChild = Callable[..., ChildProcess]


@pytest.fixture
def make_child() -> Iterator[MakeChild]:
    """`make_child(**setup)` is a started process; all end with the test."""
    with contextlib.ExitStack() as ends:

        def make(*, start: bool = True, **setup: object) -> ChildProcess:
            child = ChildProcess([sys.executable, SCRIPT], Frame({"op": "load", **setup}), name="X")
            ends.callback(child.terminate, 0)
            if start:
                child.start()
            return child

        yield make


def wait_until(condition: Callable[[], bool], timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_request_is_answered_with_header_and_parts(make_child):
    answer = make_child().request({"op": "echo", "text": 'é "☃"\n'}, [b"one", b"", b"three"])
    assert answer.header["text"] == 'é "☃"\n'
    assert [bytes(part) for part in answer.parts] == [b"one", b"", b"three"]


def test_large_payload_goes_both_ways(make_child):
    data = os.urandom(1 << 20) * 100
    answer = make_child().request({"op": "echo"}, [data, data[:3]])
    assert bytes(answer.parts[0]) == data
    assert bytes(answer.parts[1]) == data[:3]


def test_prints_go_to_the_log_and_not_into_the_answers(make_child, caplog):
    caplog.set_level(logging.INFO, "drum.child")
    child = make_child()
    child.request({"op": "print"})
    child.request({"op": "echo"})
    wait_until(lambda: "not utf-8" in caplog.text and "warned" in caplog.text)
    levels = {record.getMessage(): record.levelname for record in caplog.records}
    assert levels["X: printed by the model"] == "INFO"
    assert levels["X: warned by the model"] == "WARNING"


class RequestIds(logging.Handler):
    """Keeps the request ids of the lines of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "printed by" in record.getMessage():
            self.found.append(request_id.get())


def test_lines_of_the_process_carry_the_id_of_the_request(make_child, caplog):
    caplog.set_level(logging.INFO, "drum.child")
    child, handler = make_child(), RequestIds()
    child_module.logger.addHandler(handler)
    try:
        for number in (1, 2):
            copy_context().run(ask_under, f"request-{number}", child)
            wait_until(lambda: f"request-{number}" in handler.found)  # noqa: B023
    finally:
        child_module.logger.removeHandler(handler)
    assert handler.found == ["request-1", "request-2"]


def ask_under(current: str, child: ChildProcess) -> None:
    request_id.set(current)
    child.request({"op": "print"})


def test_failed_operation_tells_kind_and_message_and_the_process_lives(make_child):
    child = make_child()
    with pytest.raises(ChildError, match="no such column") as caught:
        child.request({"op": "fail", "message": "no such column"})
    assert caught.value.kind == "fail"
    assert child.request({"op": "echo"}).header["status"] == "ok"


@pytest.mark.parametrize(
    ("request_header", "said"),
    [
        pytest.param({"op": "exit", "code": 7}, "exit code 7", id="exit"),
        pytest.param({"op": "exit", "code": 0}, "exit code 0", id="exit-0"),
        pytest.param({"op": "kill", "signal": signal.SIGKILL}, "signal SIGKILL", id="killed"),
        pytest.param({"op": "kill", "signal": signal.SIGSEGV}, "signal SIGSEGV", id="crashed"),
        pytest.param({"op": "kill", "signal": 40}, "signal 40", id="nameless"),
    ],
)
def test_death_fails_one_request_and_the_next_starts_anew(request_header, said, make_child):
    child = make_child()
    with pytest.raises(ChildDied, match=said):
        child.request(request_header)
    assert child.request({"op": "echo", "text": "again"}).header["text"] == "again"


def test_death_between_requests_is_noticed_by_the_next_one(make_child, tmp_path):
    log = tmp_path / "log"
    child = make_child(log=str(log))
    pid = int(log.read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pid))
    with pytest.raises(ChildDied, match="SIGKILL"):
        child.request({"op": "echo"})
    assert child.request({"op": "echo"}).header["status"] == "ok"
    assert len(log.read_text().split()) == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"printed text", "starts with", id="text"),
        pytest.param(MAGIC + b"\xff\xff\xff\xff", "starts with", id="endless-header"),
        pytest.param(MAGIC + b"\0\0\0\2xx", "cannot be read", id="no-json"),
        pytest.param(MAGIC + b"\0\0\0\2[]", "cannot be read", id="no-object"),
        pytest.param(MAGIC + b"\0\0\0\2{}", "cannot be read", id="no-parts"),
        pytest.param(MAGIC + b'\0\0\0\x0e{"parts":[-1]}', "impossible", id="negative-length"),
        pytest.param(MAGIC + b'\0\0\0\x0c{"parts":[]}more', "behind", id="too-much"),
    ],
)
def test_garbage_ends_the_process_and_the_next_request_starts_anew(data, said, make_child):
    child = make_child()
    with pytest.raises(ChildDied, match=said):
        child.request({"op": "garbage", "bytes": data.hex()})
    assert child.request({"op": "echo"}).header["status"] == "ok"


EAGER = r"""
import os, sys
os.write(int(sys.argv[2]), b'DRM1\0\0\0\x1a{"status":"ok","parts":[]}')
sys.stdin.read() or __import__("time").sleep(60)
"""


def test_answer_that_comes_too_early_is_garbage():
    request = Frame({"op": "load"}, [bytes(1 << 20)])
    child = ChildProcess([sys.executable, "-c", EAGER], request, name="X")
    with pytest.raises(ChildDied, match="before the request was read"):
        child.start()


def test_deaths_in_a_row_make_the_next_start_wait(make_child):
    child = make_child()
    for _ in range(2):
        with pytest.raises(ChildDied):
            child.request({"op": "exit", "code": 1})
    with pytest.raises(Overloaded, match="2 times in a row") as caught:
        child.request({"op": "echo"})
    assert caught.value.retry_after == 1
    wait_until(lambda: _answers(child))
    with pytest.raises(ChildDied):
        child.request({"op": "exit", "code": 1})
    assert _answers(child)


def test_pauses_between_starts_have_a_limit(make_child, monkeypatch):
    monkeypatch.setattr(child_module, "LONGEST_PAUSE", 0)
    child = make_child()
    for _ in range(4):
        with pytest.raises(ChildDied):
            child.request({"op": "exit", "code": 1})


def test_model_that_cannot_be_loaded_again_is_an_error_of_the_request(make_child, tmp_path):
    gone = tmp_path / "gone"
    child = make_child(fail_when=str(gone))
    gone.touch()
    with pytest.raises(ChildDied):
        child.request({"op": "exit", "code": 1})
    with pytest.raises(ChildDied, match="cannot load the model: the model is gone"):
        child.request({"op": "echo"})
    gone.unlink()
    wait_until(lambda: _answers(child))


def test_failed_start_tells_the_error_and_leaves_no_process(make_child, tmp_path):
    gone, log = tmp_path / "gone", tmp_path / "log"
    gone.touch()
    child = make_child(start=False, fail_when=str(gone), log=str(log))
    with pytest.raises(ChildError, match="the model is gone"):
        child.start()
    wait_until(lambda: is_gone(int(log.read_text())))


def test_process_that_ends_while_it_starts_leaves_its_last_lines(make_child):
    child = make_child(start=False, quit=3)
    with pytest.raises(ChildDied, match="exit code 3") as caught:
        child.start()
    assert "cannot go on" in caught.value.with_last_lines()
    assert "cannot go on" not in str(caught.value)


@pytest.mark.parametrize("command", ["/nowhere/java", "."])
def test_program_that_cannot_be_run_is_an_error_that_names_it(command):
    child = ChildProcess([command], Frame({"op": "load"}), name="X")
    with pytest.raises(ChildDied) as caught:
        child.start()
    assert f"cannot run '{command}'" in caught.value.with_last_lines()


def test_argument_that_is_too_long_is_an_error():
    child = ChildProcess(["true", "x" * (1 << 22)], Frame({"op": "load"}), name="X")
    with pytest.raises(ChildDied, match="cannot be started"):
        child.start()


@pytest.mark.parametrize("deaf", [False, True])
def test_terminate_ends_a_process_that_hangs(deaf, make_child, tmp_path):
    log, started = tmp_path / "log", tmp_path / "started"
    child = make_child(log=str(log))
    caught: list[BaseException] = []
    thread = threading.Thread(
        target=lambda: caught.append(_error_of(child, started=str(started), deaf=deaf))
    )
    thread.start()
    wait_until(started.exists)
    before = time.monotonic()
    child.terminate(grace=0.5)
    thread.join(10)
    assert time.monotonic() - before < 5
    assert isinstance(caught[0], NotReady)
    assert is_gone(int(log.read_text()))


def test_terminated_process_is_not_started_again(make_child):
    child = make_child()
    child.terminate()
    child.terminate()
    with pytest.raises(NotReady, match="was stopped"):
        child.request({"op": "echo"})


class TerminateOnRestart(logging.Handler):
    """Ends the process in the middle of its restart, when it is not there yet."""

    child: ChildProcess

    def emit(self, record: logging.LogRecord) -> None:
        if "again" in record.getMessage():
            self.child.terminate(0)


def test_terminate_during_a_restart_leaves_no_process_and_no_descriptor(make_child):
    make_child().terminate()
    descriptors = psutil.Process().num_fds()
    child, handler = make_child(), TerminateOnRestart()
    with pytest.raises(ChildDied):
        child.request({"op": "exit", "code": 1})
    handler.child = child
    child_module.logger.addHandler(handler)
    try:
        with pytest.raises(NotReady, match="was stopped"):
            child.request({"op": "echo"})
    finally:
        child_module.logger.removeHandler(handler)
    assert [each for each in psutil.Process().children() if SCRIPT in each.cmdline()] == []
    assert psutil.Process().num_fds() == descriptors


def test_terminate_ends_what_the_process_has_started(make_child):
    child = make_child()
    pid = child.request({"op": "grandchild"}).header["pid"]
    child.terminate()
    wait_until(lambda: is_gone(pid))


def test_death_is_noticed_although_a_grandchild_holds_the_pipes(make_child):
    child = make_child()
    pid = child.request({"op": "grandchild"}).header["pid"]
    with pytest.raises(ChildDied, match="SIGKILL"):
        child.request({"op": "kill", "signal": signal.SIGKILL})
    wait_until(lambda: is_gone(pid))


def test_interrupted_request_ends_the_process_and_not_the_next_request(make_child, tmp_path):
    child = make_child()
    started = tmp_path / "started"

    def interrupt() -> None:
        wait_until(started.exists)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        child.request({"op": "hang", "started": str(started)})
    assert child.request({"op": "echo", "text": "mine"}).header["text"] == "mine"


def test_requests_of_many_threads_are_answered_one_at_a_time(make_child):
    child = make_child()
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        found[number] = child.request({"op": "echo", "text": number}).header["text"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {number: number for number in range(8)}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param("x" * (1 << 24), "too long; shorten them", id="too-long"),
        pytest.param(float("nan"), "cannot be sent to the X process", id="nan"),
        pytest.param({1, 2}, "cannot be sent to the X process", id="no-json"),
    ],
)
def test_header_that_cannot_be_sent_is_refused_and_the_process_lives(
    value, said, make_child, tmp_path
):
    log = tmp_path / "log"
    child = make_child(log=str(log))
    with pytest.raises(InvalidInput, match=said):
        child.request({"op": "echo", "text": value})
    assert _answers(child)
    assert len(log.read_text().split()) == 1


PARENT = """
import sys
from datarobot_drum.drum.predictors.child import ChildProcess
from datarobot_drum.drum.predictors.frames import Frame
child = ChildProcess([sys.executable, sys.argv[1]], Frame({"op": "load"}), name="X")
print(child.start().header["pid"], flush=True)
child.request({"op": "hang", "started": sys.argv[2]})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the child of a killed parent")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_busy_process_ends_when_the_program_is_killed(number, tmp_path):
    started = tmp_path / "started"
    command = [sys.executable, "-c", PARENT, SCRIPT, str(started)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_until(started.exists)
        parent.send_signal(number)
    wait_until(lambda: is_gone(pid))


@pytest.mark.parametrize("is_killed", [False, True])
def test_temporary_files_go_with_the_process(is_killed, make_child, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child = make_child()
    path = Path(child.request({"op": "save"}, [b"a\n1\n"]).header["path"])
    assert path.is_relative_to(tmp_path)
    assert path.exists()
    if is_killed:
        with pytest.raises(ChildDied):
            child.request({"op": "kill", "signal": signal.SIGKILL})
    else:
        child.terminate()
    assert list(tmp_path.iterdir()) == []


def test_process_runs_where_no_temporary_folder_can_be_made(make_child, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert make_child().request({"op": "echo"}).header["status"] == "ok"


def test_no_descriptor_and_no_thread_is_left(make_child):
    make_child().terminate()
    descriptors, threads = psutil.Process().num_fds(), threading.active_count()
    for _ in range(5):
        child = make_child()
        child.request({"op": "echo"})
        child.terminate()
    assert psutil.Process().num_fds() == descriptors
    wait_until(lambda: threading.active_count() <= threads)


def _answers(child: ChildProcess) -> bool:
    try:
        return child.request({"op": "echo"}).header["status"] == "ok"
    except Overloaded:
        return False


def _error_of(child: ChildProcess, **fields: object) -> BaseException:
    try:
        child.request({"op": "hang", **fields})
    except BaseException as error:
        return error
    raise AssertionError("it has answered")
