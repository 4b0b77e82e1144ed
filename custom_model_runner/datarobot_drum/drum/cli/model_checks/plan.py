"""Which checks there are, in which order they run, and when one is not worth trying."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from datarobot_drum.drum.cli.model_checks.supervisor import Supervisor
from datarobot_drum.drum.cli.model_checks.verdict import (
    SPARSE,
    UNSTRUCTURED,
    Setup,
    Status,
    Trial,
    kept_dataset,
)

BASIC = "Basic batch prediction"
NULL = "Null value imputation"
AFTER_A_FAILURE = "the basic prediction failed"

#: Trial and title of the checks after the first two.
OTHER_CHECKS = (
    ("row_count", "Row count"),
    ("repeatable", "Repeatability"),
    ("row_order", "Row order"),
    ("chunks", "Rows in parts"),
    ("single_row", "Single row"),
    ("empty", "Empty input"),
    ("column_order", "Column order"),
    ("unexpected_column", "Unexpected column"),
)


@dataclass(frozen=True)
class Failure:
    """A column that a check failed on; `dataset` is the file, if it was kept."""

    feature: str
    message: str
    dataset: str | None = None


@dataclass(frozen=True)
class Result:
    """How a check ended; `columns_tried` of `columns` where it looks at each column."""

    title: str
    status: Status
    message: str = ""
    seconds: float = 0.0
    failures: tuple[Failure, ...] = ()
    columns: int | None = None
    columns_tried: int | None = None


#: Goes through columns, and may show how far it is.
Counted = Callable[[list[int]], Iterable[int]]


@dataclass(frozen=True)
class Plan:
    """All checks of one model; `seconds` is the time that each may take."""

    setup: Setup
    supervisor: Supervisor
    seconds: float
    counted: Counted

    def run(self) -> Iterator[Result]:
        """The results in order, each as soon as it is there."""
        basic = self._single("basic", BASIC)
        if basic.status is Status.FAILED:
            basic = dataclasses.replace(basic, failures=(self._whole_input(basic),))
        yield basic
        columns = self.supervisor.ask(Trial("columns"), self.seconds)
        if columns.columns is None:
            yield Result(NULL, columns.status, columns.message)
        else:
            yield self._null(columns.columns)
        if columns.message in (SPARSE, UNSTRUCTURED):
            return
        for name, title in OTHER_CHECKS:
            if basic.status is Status.FAILED:
                yield Result(title, Status.SKIPPED, AFTER_A_FAILURE)
            else:
                yield self._single(name, title)

    def _whole_input(self, basic: Result) -> Failure:
        return Failure("", basic.message, self.setup.input)

    def _single(self, name: str, title: str) -> Result:
        begin = time.monotonic()
        verdict = self.supervisor.ask(Trial(name), self.seconds)
        return Result(title, verdict.status, verdict.message, time.monotonic() - begin)

    def _null(self, names: tuple[str, ...]) -> Result:
        """Each column in turn, as many as the time allows."""
        begin = time.monotonic()
        failures, tried = [], 0
        for column in self.counted(list(range(len(names)))):
            left = begin + self.seconds - time.monotonic()
            if left <= 0:
                break
            verdict = self.supervisor.ask(Trial("null", column), left)
            tried += 1
            if verdict.status is not Status.PASSED:
                failures.append(Failure(names[column], verdict.message, self._kept(column)))
        missing = tried < len(names)
        message = f"{tried} of {len(names)} columns were tried in {self.seconds:.0f} s"
        status = Status.FAILED if failures else Status.WARNING if missing else Status.PASSED
        return Result(
            NULL,
            status,
            message if missing else "",
            time.monotonic() - begin,
            tuple(failures),
            len(names),
            tried,
        )

    def _kept(self, column: int) -> str | None:
        """The file that the process wrote, which may have died before."""
        if self.setup.keep_in is None:
            return None
        path = kept_dataset(self.setup, column)
        return str(path) if path.exists() else None


def is_passed(results: Iterable[Result]) -> bool:
    """Did no check fail? Warnings and checks that were not tried count as passed."""
    return all(result.status is not Status.FAILED for result in results)
