"""Reports reach their receiver, and nothing about them reaches the prediction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from opentelemetry import trace
from opentelemetry.context import get_value

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import HookError, NotSupported
from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.payloads import OutputRules, Payload, Predictions, read_table
from datarobot_drum.drum.platform_services.reporting import (
    NO_REPORTS,
    EmbeddedReports,
    Reporter,
    ReportQueue,
    Reports,
    StructuredReports,
)

PROMPT = {"messages": [{"role": "user", "content": "hi"}]}


class Receiver(Reporter):
    """Writes down what it gets, when its gate is open; fails where told to."""

    def __init__(self) -> None:
        self.stats: list[tuple[int, bool]] = []
        self.data: list[tuple[Any, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.is_reached = threading.Event()
        self.has_ended = threading.Event()
        self.error: Exception | None = None

    def report_deployment_stats(self, num_predictions, execution_time, *, failed=False):
        self.is_reached.set()
        assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        assert execution_time >= 0
        self.stats.append((num_predictions, failed))

    def report_predictions_data(
        self, features_df=None, predictions=None, association_ids=None, class_names=None
    ):
        rows = None if features_df is None else features_df.to_dict("list")
        self.data.append((rows, predictions, association_ids, class_names))

    def shutdown(self, timeout):
        self.has_ended.set()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


Start = Callable[..., ReportQueue]


@pytest.fixture
def start(receiver: Receiver) -> Iterator[Start]:
    queues: list[ReportQueue] = []

    def start(depth: int = 10, max_bytes: int = 1 << 20, flush_timeout: float = 20) -> ReportQueue:
        queues.append(ReportQueue(receiver, depth, max_bytes, flush_timeout))
        return queues[-1]

    yield start
    receiver.gate.set()
    for calls in queues:
        calls.stop()


def reports(calls: ReportQueue, target: TargetType = TargetType.REGRESSION) -> StructuredReports:
    return StructuredReports(calls, OutputRules(target), "promptText")


def predict(to: Reports, payload: Payload, frame: pd.DataFrame) -> None:
    clock = to.begin(payload)
    read_table(payload)
    to.predicted(Predictions(frame), payload, clock)


NUMBERS = pd.DataFrame({"Predictions": [1.5, 2.5]})


def test_prediction_is_reported_with_its_rows(receiver: Receiver, start: Start):
    to = reports(start())
    predict(to, Payload(b"a,b\n1,x\n2,y\n"), NUMBERS)
    to.stop()
    assert receiver.stats == [(2, False)]
    assert receiver.data == [({"a": [1, 2], "b": ["x", "y"]}, [1.5, 2.5], None, None)]
    assert receiver.has_ended.is_set()


def test_probabilities_are_reported_with_their_labels(receiver: Receiver, start: Start):
    to = reports(start(), TargetType.BINARY)
    predict(to, Payload(b"a\n1\n"), pd.DataFrame({"yes": [0.75], "no": [0.25]}))
    to.stop()
    assert receiver.data == [({"a": [1]}, [[0.75, 0.25]], None, ["yes", "no"])]


def test_hook_that_changes_the_rows_does_not_change_the_report(receiver: Receiver, start: Start):
    to = reports(start())
    payload = Payload(b"a\n1\n2\n")
    clock = to.begin(payload)
    table = read_table(payload)
    table["new"] = 1
    del table["a"]
    to.predicted(Predictions(NUMBERS), payload, clock)
    to.stop()
    assert receiver.data[0][0] == {"a": [1, 2]}


def test_rows_that_were_read_before_are_reported(receiver: Receiver, start: Start):
    to = reports(start())
    chunk = pd.DataFrame({"a": [1, 2]})
    rows = to.kept(chunk)
    chunk["new"] = 1
    to.scored(rows, Predictions(NUMBERS), 0.1)
    to.stop()
    assert receiver.data[0][0] == {"a": [1, 2]}


def test_sparse_rows_are_left_out_of_the_report(receiver: Receiver, start: Start):
    to = reports(start())
    matrix = b"%%MatrixMarket matrix coordinate real general\n2 3 1\n1 1 5\n"
    predict(to, Payload(matrix, media_type="text/mtx"), NUMBERS)
    to.stop()
    assert receiver.data == [(None, [1.5, 2.5], None, None)]


def test_data_that_is_no_table_is_left_out_of_the_report(receiver: Receiver, start: Start):
    to, payload = reports(start()), Payload(b"x")
    clock = to.begin(payload)
    payload.keep(["no", "table"])
    to.predicted(Predictions(NUMBERS), payload, clock)
    to.stop()
    assert receiver.data[0][0] is None


def test_table_is_not_kept_when_nothing_is_reported():
    payload = Payload(b"a\n1\n")
    predict(NO_REPORTS, payload, NUMBERS)
    assert payload.table is None
    assert NO_REPORTS.figures() is None
    NO_REPORTS.stop()


@pytest.mark.parametrize(("depth", "max_bytes"), [(1, 1 << 20), (10, 100)])
def test_reports_that_do_not_fit_are_dropped_and_counted(
    depth: int, max_bytes: int, receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
):
    receiver.gate.clear()
    to = reports(start(depth, max_bytes))
    payload = Payload(b"a" * 60 + b"\n1\n2\n")
    started = time.monotonic()
    predict(to, payload, NUMBERS)
    assert receiver.is_reached.wait(20)
    for _ in range(3):
        predict(to, payload, NUMBERS)
    assert time.monotonic() - started < 20
    dropped = to.figures()["dropped"]
    assert dropped == (2 if depth == 1 else 3)
    assert caplog.text.count("reports of predictions are lost") == 1
    receiver.gate.set()
    to.stop()
    assert to.figures() == {"sent": 4 - dropped, "dropped": dropped, "failed": 0, "waiting": 0}


def test_room_is_free_again_after_a_report_was_sent(receiver: Receiver, start: Start):
    calls = start(max_bytes=100)
    for _ in range(5):
        calls.put(lambda to: to.report_deployment_stats(1, 0), 100)
        deadline = time.monotonic() + 20
        while calls.figures()["sent"] < len(receiver.stats) or not receiver.stats:
            assert time.monotonic() < deadline
        while calls._bytes:
            assert time.monotonic() < deadline
    assert calls.figures()["dropped"] == 0


def test_failing_receiver_is_counted_and_its_words_are_not_logged(
    receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
):
    receiver.error = ValueError("row 7: secret")
    to = reports(start())
    predict(to, Payload(b"a\n1\n2\n"), NUMBERS)
    to.stop()
    assert to.figures() == {"sent": 0, "dropped": 0, "failed": 1, "waiting": 0}
    assert "ValueError" in caplog.text and "secret" not in caplog.text


def test_receiver_that_ends_badly_is_told(
    receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
):
    receiver.has_ended = None  # type: ignore[assignment]  # its shutdown raises
    start().stop()
    assert "the reporter did not end well (AttributeError)" in caplog.text


def test_stop_does_not_wait_for_a_receiver_that_hangs(
    receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
):
    receiver.gate.clear()
    calls = start(depth=1, flush_timeout=0.05)
    for _ in range(2):
        calls.put(lambda to: to.report_deployment_stats(1, 0), 0)
    assert receiver.is_reached.wait(20)
    calls.stop()
    assert "could not be sent in time" in caplog.text


def test_report_after_the_stop_is_dropped(start: Start):
    calls = start()
    calls.stop()
    calls.put(lambda to: to.report_deployment_stats(1, 0), 0)
    assert calls.figures()["dropped"] == 1


def chunk(text: str | None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}]}


def test_completion_is_reported_with_prompt_and_association_id(receiver: Receiver, start: Start):
    to = reports(start(), TargetType.TEXT_GENERATION)
    completion = {"choices": [{"message": {"content": "ho"}}]}
    assert to.chat(PROMPT, 7, lambda: completion) is completion
    to.stop()
    assert receiver.stats == [(1, False)]
    assert receiver.data == [({"promptText": ["hi"]}, ["ho"], ["7"], None)]


def test_texts_that_are_not_wanted_are_not_reported(receiver: Receiver, start: Start):
    rules = OutputRules(TargetType.TEXT_GENERATION)
    to = StructuredReports(start(), rules, "promptText", lambda: False)
    to.chat(PROMPT, 7, lambda: {"choices": []})
    to.stop()
    assert (receiver.stats, receiver.data) == ([(1, False)], [])


def test_stream_is_reported_when_it_ends(receiver: Receiver, start: Start):
    to = reports(start(), TargetType.TEXT_GENERATION)
    chunks = to.chat(PROMPT, "id", lambda: iter([chunk("h"), chunk("o"), chunk(None)]))
    assert [next(chunks), to.figures()["sent"]] == [chunk("h"), 0]
    assert len(list(chunks)) == 2
    to.stop()
    assert receiver.data[0][1] == ["ho"]


def test_stream_that_the_client_left_is_closed_and_reported(receiver: Receiver, start: Start):
    closed = []

    def pieces() -> Iterator[dict[str, Any]]:
        try:
            yield chunk("h")
            yield chunk("o")
        finally:
            closed.append(True)

    to = reports(start(), TargetType.TEXT_GENERATION)
    chunks = to.chat(PROMPT, "id", pieces)
    next(chunks)
    chunks.close()
    to.stop()
    assert closed and receiver.data[0][1] == ["h"]


def test_stream_that_breaks_is_reported_as_failed(receiver: Receiver, start: Start):
    def pieces() -> Iterator[dict[str, Any]]:
        yield chunk("h")
        raise ValueError("boom")

    to = reports(start(), TargetType.TEXT_GENERATION)
    with pytest.raises(ValueError, match="boom"):
        list(to.chat(PROMPT, "id", pieces))
    to.stop()
    assert (receiver.stats, receiver.data) == ([(1, True)], [])


@pytest.mark.parametrize(("error", "stats"), [(HookError, [(1, True)]), (NotSupported, [])])
def test_error_of_a_chat_is_reported_and_raised(
    error: type[Exception], stats: list[Any], receiver: Receiver, start: Start
):
    def call() -> Any:
        raise error("boom")

    to = reports(start(), TargetType.TEXT_GENERATION)
    with pytest.raises(error):
        to.chat(PROMPT, "id", call)
    to.stop()
    assert (receiver.stats, receiver.data) == (stats, [])


def test_unstructured_hook_reports_by_itself(receiver: Receiver, start: Start):
    to = EmbeddedReports(start())
    mlops = to.hook_keywords["mlops"]
    mlops.report_deployment_stats(2, 12.5)
    rows = pd.DataFrame({"a": [1]})
    mlops.report_predictions_data(rows, (3,), association_ids=("x",), class_names=("y",))
    rows["new"] = 1
    mlops.report_predictions_data(None, [4])
    to.stop()
    assert receiver.stats == [(2, False)]
    assert receiver.data == [({"a": [1]}, [3], ["x"], ["y"]), (None, [4], None, None)]


def test_reports_make_no_spans(start: Start) -> None:
    spans.turn_on(trace.get_tracer("test"))
    seen: list[Any] = []
    queue = start()
    queue.put(lambda reporter: seen.append(get_value("suppress_instrumentation")), 1)
    queue.stop()
    spans.turn_off()
    assert seen == [True]
