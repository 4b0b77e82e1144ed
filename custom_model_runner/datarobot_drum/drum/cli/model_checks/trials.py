"""The trials themselves; they run in a process of their own, beside the model.

A trial fails where a user of the model would get no answer. Where the model may mean what it
does, because it looks at the table as a whole, it is a warning.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from datarobot_drum.drum.cli.model_checks.differences import difference
from datarobot_drum.drum.cli.model_checks.variants import (
    CSV,
    MTX,
    SAMPLE_ROWS,
    UNEXPECTED,
    NotATable,
    Table,
    read_columns,
    read_sample,
    rows_for_a_column,
)
from datarobot_drum.drum.cli.model_checks.verdict import (
    NOT_LOADED,
    PASSED,
    SPARSE,
    UNSTRUCTURED,
    Setup,
    Status,
    Trial,
    Verdict,
    failed,
    kept_dataset,
    skipped,
    warning,
)
from datarobot_drum.drum.cli.score_unstructured import read_content_type, read_query
from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.payloads import Payload, csv_chunks, media_type_for_file

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.predictors import Model

logger = logging.getLogger("drum.validation")

READ_BY_THE_MODEL = "the model reads this input itself, which is not a table"
CHANGES_ROW_COUNT = "rows cannot be compared, as their number changes"


class Session:
    """A model that is loaded once for all trials, the input, and the answer to it."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._model: Model | None = None
        self._failure: Exception | None = None

    @property
    def model(self) -> Model:
        """The model; a load that failed once is not repeated, its error is raised again."""
        if self._failure is not None:
            raise self._failure
        if self._model is None:
            try:
                self._model = self._load()
            except Exception as error:
                self._failure = error
                raise
        return self._model

    def _load(self) -> Model:
        from datarobot_drum.drum.predictors import load_model
        from datarobot_drum.drum.settings import Settings

        return load_model(self.setup.model, Settings.load(warn=False))

    @property
    def is_unloadable(self) -> bool:
        """Was it tried to load the model, in vain?"""
        return self._failure is not None

    @property
    def media_type(self) -> str:
        """The format of the input, by its name."""
        return media_type_for_file(self.setup.input)[0]

    @property
    def is_unstructured(self) -> bool:
        """Has the input no rows and columns?"""
        return self.model.target.type is TargetType.UNSTRUCTURED

    @property
    def takes_tables(self) -> bool:
        """May the text of a table be left out? Only a built-in predictor cannot tell."""
        return self.model.is_row_wise and self.model.target.type is not TargetType.TRANSFORM

    @cached_property
    def table(self) -> Table:
        """The first rows of the input."""
        return read_sample(self.setup.input, as_text=not self.takes_tables)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the input; needs no model."""
        return read_columns(self.setup.input)

    @cached_property
    def column_table(self) -> Table:
        """The rows that are predicted once for each column."""
        return self.table.rows(0, rows_for_a_column(len(self.table.columns)))

    @cached_property
    def baseline(self) -> pd.DataFrame:
        """The answer to the first rows as they are."""
        return self.answer(self.table)

    def answer(self, table: Table) -> pd.DataFrame:
        """What the model answers to a table."""
        if self.takes_tables:
            predictions = self.model.predict_table(table.frame, None)
            return _joined(predictions.frame, predictions.extra)
        return self.answer_payload(table.payload())

    def answer_payload(self, payload: Payload) -> pd.DataFrame:
        """What the model answers to the bytes of a file."""
        if self.model.target.type is TargetType.TRANSFORM:
            return self.model.transform(payload, None)
        predictions = self.model.predict(payload)
        return _joined(predictions.frame, predictions.extra)

    def close(self) -> None:
        """Let go of the model."""
        if self._model is not None:
            self._model.terminate()


def _joined(frame: pd.DataFrame, extra: pd.DataFrame | None) -> pd.DataFrame:
    import pandas as pd

    return frame if extra is None else pd.concat([frame, extra], axis=1)


def _basic(session: Session, trial: Trial) -> Verdict:
    """The input as it is, whole."""
    if session.is_unstructured:
        media_type, charset = read_content_type(session.setup.content_type)
        data = Path(session.setup.input).read_bytes()
        query = read_query(session.setup.query)
        session.model.predict_unstructured(data, media_type, charset, query, None)
        return PASSED
    if session.takes_tables and (chunks := csv_chunks_of(session.setup.input)) is not None:
        for chunk in chunks:
            session.model.predict_table(chunk, None)
        return PASSED
    media_type, parameters = media_type_for_file(session.setup.input)
    with Path(session.setup.input).open("rb") as file:
        session.answer_payload(Payload(file, media_type=media_type, parameters=parameters))
    return PASSED


def csv_chunks_of(path: str) -> Iterator[pd.DataFrame] | None:
    """A CSV file in pieces, as `drum score` takes it; None where it must be read whole."""
    if media_type_for_file(path)[0] != CSV or not Path(path).is_file():
        return None
    return csv_chunks(path, SAMPLE_ROWS)


def _columns(session: Session, trial: Trial) -> Verdict:
    """Which columns there are, or why they are not tried."""
    if session.media_type == MTX:
        return skipped(SPARSE)
    if session.model.reads_raw_input:
        _ = session.table  # the first line alone may look like a header
    return Verdict(Status.PASSED, columns=session.columns)


def _null(session: Session, trial: Trial) -> Verdict:
    """One column set wholly to missing."""
    table = session.column_table.without_values(trial.column)
    kept = _keep(session, table, trial.column)
    session.answer(table)
    if kept is not None:
        kept.unlink()
    return PASSED


def _keep(session: Session, table: Table, column: int) -> Path | None:
    """Write the data before the model sees it: it may take this process down."""
    if session.setup.keep_in is None:
        return None
    path = kept_dataset(session.setup, column)
    path.write_bytes(table.encoded())
    return path


def _row_count(session: Session, trial: Trial) -> Verdict:
    rows, answered = len(session.table), len(session.baseline)
    if answered == rows:
        return PASSED
    return warning(f"{rows} rows gave {answered} predictions; a server refuses to answer so")


def _repeatable(session: Session, trial: Trial) -> Verdict:
    found = difference(session.answer(session.table), session.baseline)
    return PASSED if found is None else warning(f"the same input again: {found}")


def _row_order(session: Session, trial: Trial) -> Verdict:
    shuffled, order = session.table.shuffled()
    expected = session.baseline.iloc[order].reset_index(drop=True)
    found = difference(session.answer(shuffled), expected)
    return PASSED if found is None else warning(f"the same rows in another order: {found}")


def _chunks(session: Session, trial: Trial) -> Verdict:
    import pandas as pd

    table, middle = session.table, len(session.table) // 2
    if not middle:
        return skipped("the input has fewer than two rows")
    halves = [table.rows(0, middle), table.rows(middle, len(table))]
    answers = pd.concat([session.answer(half) for half in halves], ignore_index=True)
    found = difference(answers, session.baseline)
    return PASSED if found is None else warning(f"the same rows in two parts: {found}")


def _single_row(session: Session, trial: Trial) -> Verdict:
    found = difference(session.answer(session.table.rows(0, 1)), session.baseline.head(1))
    return PASSED if found is None else warning(f"the first row alone: {found}")


def _empty(session: Session, trial: Trial) -> Verdict:
    """No bytes, then no rows: an error is a good answer, as long as the process lives on."""
    header = session.table.rows(0, 0).payload()
    nothing = Payload(b"", media_type=header.media_type, parameters=header.parameters)
    for what, payload in (("an empty file", nothing), ("a table without rows", header)):
        try:
            rows = len(session.answer_payload(payload))
        except Exception as error:
            logger.debug("%s is refused: %s", what, error)
            continue
        if rows:
            return warning(f"{what} gave {rows} predictions")
    return PASSED


def _column_order(session: Session, trial: Trial) -> Verdict:
    if len(session.table.columns) < 2:
        return skipped("the input has one column")
    return _tolerated(session, session.table.with_columns_reversed(), "columns in another order")


def _unexpected_column(session: Session, trial: Trial) -> Verdict:
    return _tolerated(session, session.table.with_unexpected_column(), f"a column {UNEXPECTED!r}")


def _tolerated(session: Session, table: Table, what: str) -> Verdict:
    """Many models refuse such a table with good reason, but their users should know it."""
    try:
        found = difference(session.answer(table), session.baseline)
    except Exception as error:
        return warning(f"{what}: {error}")
    return PASSED if found is None else warning(f"{what}: {found}")


#: Trials that compare rows with those of the answer to the unchanged input.
_NEEDS_SAME_ROWS = frozenset({"row_order", "chunks", "single_row"})

_TRIALS: Mapping[str, Callable[[Session, Trial], Verdict]] = MappingProxyType(
    {
        "basic": _basic,
        "columns": _columns,
        "null": _null,
        "row_count": _row_count,
        "repeatable": _repeatable,
        "row_order": _row_order,
        "chunks": _chunks,
        "single_row": _single_row,
        "empty": _empty,
        "column_order": _column_order,
        "unexpected_column": _unexpected_column,
    }
)


def run_trial(session: Session, trial: Trial) -> Verdict:
    """Try one thing; an error of the model is a verdict, not an exception."""
    try:
        if trial.name == "columns" and session.is_unstructured:
            return skipped(UNSTRUCTURED)
        if trial.name in _NEEDS_SAME_ROWS and len(session.table) != len(session.baseline):
            return skipped(CHANGES_ROW_COUNT)
        return _TRIALS[trial.name](session, trial)
    except NotATable as error:
        # our reader's trouble says nothing about the model
        return skipped(READ_BY_THE_MODEL if session.model.reads_raw_input else f"{error}")
    except Exception as error:
        if trial.name == "columns" and session.is_unloadable:
            return skipped(NOT_LOADED)
        shown = error if session.setup.show_stacktrace else None
        logger.debug("trial %s failed", trial, exc_info=error)
        if shown is not None:
            logger.error("%s", error, exc_info=shown)
        return failed(str(error) or type(error).__name__)
