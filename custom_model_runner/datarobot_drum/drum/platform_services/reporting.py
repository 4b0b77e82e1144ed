"""Reports of predictions: the interface to where they go, and the queue in front of it.

Reporting never fails a prediction and never makes it wait: reports are handed to a thread, those
that do not fit are dropped and counted, and an error of the receiver is only logged.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from datarobot_drum.drum.errors import NotSupported
from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.platform_services.chat_texts import answer_text, piece_text, prompt_text

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.payloads import OutputRules, Payload, Predictions

logger = logging.getLogger("drum.reports")

MILLISECONDS = 1000
#: Seconds between two log lines about reports that were lost.
QUIET = 60
NO_KEYWORDS: Mapping[str, Any] = MappingProxyType({})


@runtime_checkable
class Table(Protocol):
    """What is asked of a table here; pandas is not imported for it."""

    def memory_usage(self, *, index: bool) -> Any:
        """Bytes of each column."""

    def copy(self, *, deep: bool) -> Any:
        """Another table of the same columns."""


class Reporter(ABC):
    """Receives reports; called by one thread, and may be slow or fail."""

    @abstractmethod
    def report_deployment_stats(
        self, num_predictions: int, execution_time: float, *, failed: bool = False
    ) -> None:
        """So many predictions took so many milliseconds."""

    @abstractmethod
    def report_predictions_data(
        self,
        features_df: pd.DataFrame | None = None,
        predictions: list[Any] | None = None,
        association_ids: list[Any] | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        """Rows and what was predicted for them."""

    def shutdown(self, timeout: float) -> None:  # noqa: B027  # most hold nothing back
        """Send what is held back; takes `timeout` seconds at most."""


class Reports:
    """What the core tells about its predictions; this one tells nobody, at no cost."""

    #: keywords for the `score_unstructured` hook
    hook_keywords: Mapping[str, Any] = NO_KEYWORDS

    def begin(self, payload: Payload) -> float:
        """A prediction starts; its clock, for `predicted`."""
        return 0.0

    def predicted(self, predictions: Predictions, payload: Payload, clock: float) -> None:
        """A prediction of a table succeeded."""

    def kept(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows as they are now, whatever hooks do to them; for `scored`."""
        return rows

    def scored(self, rows: pd.DataFrame, predictions: Predictions, seconds: float) -> None:
        """Rows that were already read were predicted."""

    def chat(
        self, params: Mapping[str, Any], association_id: object, call: Callable[[], Any]
    ) -> Any:
        """What `call` returns: a finished completion as a dict, or an iterator of chunks."""
        return call()

    def figures(self) -> dict[str, int] | None:
        """Counts of reports for `/stats/`; None when there are none."""
        return None

    def stop(self) -> None:
        """Send what waits, within a bound."""


NO_REPORTS = Reports()


class ReportQueue:
    """Calls of a reporter, made one after the other by a thread of their own.

    `depth` and `max_bytes` bound what may wait, `flush_timeout` how long `stop` may take. The data
    handed over is referred to, not copied.
    """

    def __init__(
        self, reporter: Reporter, depth: int, max_bytes: int, flush_timeout: float
    ) -> None:
        self._reporter = reporter
        self._flush_timeout = flush_timeout
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._told = -float(QUIET)
        self._counts = {"sent": 0, "dropped": 0, "failed": 0}
        self._calls: queue.Queue[tuple[Callable[[Reporter], None], int] | None] = queue.Queue(depth)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="reports", daemon=True)
        self._thread.start()

    def put(self, call: Callable[[Reporter], None], size: int) -> None:
        """Have `call` made later, or drop it; `size` is about how many bytes it keeps alive."""
        with self._lock:
            fits = self._bytes + size <= self._max_bytes and not self._stopping.is_set()
            if fits:
                self._bytes += size
        if not fits:
            self._lost("dropped")
            return
        try:
            self._calls.put_nowait((call, size))
        except queue.Full:
            self._release(size)
            self._lost("dropped")

    def _release(self, size: int) -> None:
        with self._lock:
            self._bytes -= size

    def _lost(self, how: str, error: Exception | None = None) -> None:
        now = time.monotonic()
        with self._lock:
            self._counts[how] += 1
            counts, quiet = dict(self._counts), now - self._told < QUIET
            self._told = self._told if quiet else now
        if not quiet:
            # the error's own text may hold rows of the data
            kind = "" if error is None else f" ({type(error).__name__})"
            logger.warning("reports of predictions are lost%s; so far: %s", kind, counts)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            call, size = item
            try:
                with spans.suppressed():
                    call(self._reporter)
            except Exception as error:
                logger.debug("a report failed", exc_info=True)
                self._lost("failed", error)
            else:
                with self._lock:
                    self._counts["sent"] += 1
            finally:
                self._release(size)
            del item, call
        try:
            with spans.suppressed():
                self._reporter.shutdown(self._flush_timeout)
        except Exception as error:
            logger.warning("the reporter did not end well (%s)", type(error).__name__)

    def figures(self) -> dict[str, int]:
        """How many reports were sent, dropped, failed and are waiting."""
        with self._lock:
            return {**self._counts, "waiting": self._calls.qsize()}

    def stop(self) -> None:
        """Take no more, send what waits and let the reporter go, within the flush timeout."""
        timeout = self._flush_timeout
        end = time.monotonic() + timeout
        self._stopping.set()
        with suppress(queue.Full):
            self._calls.put(None, timeout=timeout)
        self._thread.join(max(end - time.monotonic(), 0.0))
        if self._thread.is_alive():
            counts = self.figures()
            logger.warning("reports of predictions could not be sent in time: %s", counts)


class QueuedReports(Reports):
    """Reports that go through a queue."""

    def __init__(self, calls: ReportQueue) -> None:
        self._calls = calls

    def figures(self) -> dict[str, int]:
        """Counts of reports."""
        return self._calls.figures()

    def stop(self) -> None:
        """Send what waits, within a bound."""
        self._calls.stop()


class StructuredReports(QueuedReports):
    """Reports rows, predictions and chats of a model.

    `wants_texts` tells, whenever a chat is reported, whether its texts may be.
    """

    def __init__(
        self,
        calls: ReportQueue,
        rules: OutputRules,
        prompt_column: str,
        wants_texts: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(calls)
        self._wants_texts = wants_texts
        self._rules = rules
        self._prompt_column = prompt_column

    def begin(self, payload: Payload) -> float:
        """A prediction starts: the table that is read from `payload` must be kept."""
        payload.keeps_table = True
        return time.monotonic()

    def predicted(self, predictions: Predictions, payload: Payload, clock: float) -> None:
        """Queue the statistics, and the rows with what was predicted for them."""
        self._queue(payload.table, predictions, time.monotonic() - clock, payload.size)

    def kept(self, rows: pd.DataFrame) -> pd.DataFrame:
        """A view of the rows that changes of columns do not reach."""
        return rows.copy(deep=False)

    def scored(self, rows: pd.DataFrame, predictions: Predictions, seconds: float) -> None:
        """Queue a chunk of rows."""
        self._queue(rows, predictions, seconds, 0)

    def _queue(
        self, rows: pd.DataFrame | None, predictions: Predictions, seconds: float, size: int
    ) -> None:
        frame = predictions.frame
        names = [str(name) for name in frame.columns] if self._rules.is_classification else None

        def call(reporter: Reporter) -> None:
            reporter.report_deployment_stats(len(frame), seconds * MILLISECONDS)
            values = frame if names else frame.iloc[:, 0]
            reporter.report_predictions_data(
                _reportable(rows), values.to_numpy().tolist(), None, names
            )

        # text columns only count their references here; the bytes of the request stand for them
        self._calls.put(call, max(size, _bytes_of(rows) + _bytes_of(frame)))

    def chat(
        self, params: Mapping[str, Any], association_id: object, call: Callable[[], Any]
    ) -> Any:
        """Answer a chat and queue its report; of a stream when it ends, however it does."""
        clock = time.monotonic()
        prompt = prompt_text(params)
        try:
            answer = call()
        except NotSupported:
            raise
        except Exception:
            self._chatted(prompt, None, association_id, clock, failed=True)
            raise
        if isinstance(answer, dict):
            self._chatted(prompt, answer_text(answer), association_id, clock)
            return answer
        return self._watched(answer, prompt, association_id, clock)

    def _watched(
        self, chunks: Iterator[Any], prompt: str, association_id: object, clock: float
    ) -> Iterator[Any]:
        pieces: list[str] = []
        failed = False
        try:
            for chunk in chunks:
                pieces.append(piece_text(chunk))
                yield chunk
        except Exception:
            failed = True
            raise
        finally:
            # a client that leaves ends the model's generator here and now
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
            self._chatted(prompt, "".join(pieces), association_id, clock, failed=failed)

    def _chatted(
        self,
        prompt: str,
        answer: str | None,
        association_id: object,
        clock: float,
        *,
        failed: bool = False,
    ) -> None:
        spent = (time.monotonic() - clock) * MILLISECONDS

        def call(reporter: Reporter) -> None:
            import pandas as pd

            reporter.report_deployment_stats(1, spent, failed=failed)
            if not failed and self._wants_texts():
                rows = pd.DataFrame({self._prompt_column: [prompt]})
                reporter.report_predictions_data(rows, [answer or ""], [str(association_id)], None)

        self._calls.put(call, len(prompt) + len(answer or ""))


class EmbeddedReports(QueuedReports):
    """Lets an unstructured model report by itself, through the keyword `mlops` of its hook."""

    def __init__(self, calls: ReportQueue) -> None:
        super().__init__(calls)
        self.hook_keywords = {"mlops": EmbeddedReporter(calls)}


class EmbeddedReporter:
    """The object `mlops` of `score_unstructured`; its methods return at once and never raise."""

    def __init__(self, calls: ReportQueue) -> None:
        self._calls = calls

    def report_deployment_stats(self, num_predictions: int, execution_time: float) -> None:
        """So many predictions took so many milliseconds."""
        self._calls.put(lambda to: to.report_deployment_stats(num_predictions, execution_time), 0)

    def report_predictions_data(
        self,
        features_df: pd.DataFrame | None = None,
        predictions: Sequence[Any] | None = None,
        association_ids: Sequence[Any] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        """Rows, what was predicted for them, and ids by which actual values will be known."""
        rows = features_df.copy(deep=False) if isinstance(features_df, Table) else features_df
        lists = (predictions, association_ids, class_names)

        def call(reporter: Reporter) -> None:
            found = [None if part is None else list(part) for part in lists]
            reporter.report_predictions_data(rows, *found)

        self._calls.put(call, _bytes_of(rows))


def _bytes_of(rows: object) -> int:
    return int(rows.memory_usage(index=False).sum()) if isinstance(rows, Table) else 0


def _reportable(rows: pd.DataFrame | None) -> pd.DataFrame | None:
    """Rows as a receiver may take them apart: a sparse table would burst when it is written."""
    is_sparse = rows is not None and any(hasattr(kind, "fill_value") for kind in rows.dtypes)
    return None if is_sparse else rows
