"""The results of a validation: a table as the reference prints it, and JSON for scripts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from datarobot_drum import __version__
from datarobot_drum.drum.cli.model_checks.plan import BASIC, NULL, Failure, Result, is_passed
from datarobot_drum.drum.cli.model_checks.verdict import Setup, Status

#: Changes when a key of the JSON report changes its meaning or goes.
SCHEMA = 1
#: What the reference gives the table of columns; less on a narrow terminal.
INNER_WIDTH = 80
LEAST_WIDTH = 80
#: The columns beside the details, and what stands between them.
OTHER_COLUMNS = 35
MESSAGE_LENGTH = 160
#: More failed columns than these are only in the JSON report.
SHOWN_FAILURES = 20

NULL_FAILED = "Null value imputation check performs check by imputing each feature with NaN value. "
KEPT = (
    "If check fails for a feature, test dataset is saved in {} Make sure to delete those folders "
    "if it takes too much space."
)
NOT_KEPT = "The option --keep-files keeps the test datasets of features that fail."


def table(results: Sequence[Result], keep_in: str | None) -> str:
    """What the terminal shows."""
    from texttable import Texttable

    drawn = Texttable(max_width=_width())
    drawn.set_deco(Texttable.HEADER)
    drawn.set_cols_dtype(["t", "t", "t"])
    drawn.header(["Test case", "Status", "Details"])
    for result in results:
        drawn.add_row([result.title, result.status.value, _details(result, keep_in)])
    return f"\n\nValidation checks results\n{drawn.draw()}\n"


def _width() -> int:
    return max(LEAST_WIDTH, shutil.get_terminal_size((120, 24)).columns)


def _details(result: Result, keep_in: str | None) -> str:
    if result.title == BASIC and result.status is Status.FAILED:
        dataset = result.failures[0].dataset
        return f"Test failed on provided dataset: {dataset}\n{short(result.message)}"
    if result.title == NULL and result.failures:
        where = KEPT.format(f"{keep_in}.") if keep_in else NOT_KEPT
        parts = [NULL_FAILED + where, _failures(result.failures), short(result.message)]
        return "\n\n".join(part for part in parts if part)
    return short(result.message)


def _failures(failures: Sequence[Failure]) -> str:
    from texttable import Texttable

    inner = Texttable(max_width=min(INNER_WIDTH, _width() - OTHER_COLUMNS))
    inner.set_deco(Texttable.HEADER)
    inner.set_cols_dtype(["t", "t", "t"])
    inner.header(["Failed feature", "Message", "Dataset filename"])
    for failure in failures[:SHOWN_FAILURES]:
        inner.add_row([failure.feature, short(failure.message), failure.dataset or "not kept"])
    more = len(failures) - SHOWN_FAILURES
    rest = f"\n\nand {more} features more; --output FILE lists them all" if more > 0 else ""
    return str(inner.draw()) + rest


def short(message: str) -> str:
    """The last line of an error that is not blank, cut to a length that fits a table."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    line = lines[-1].replace("\\n", " ") if lines else ""
    return line if len(line) <= MESSAGE_LENGTH else f"{line[: MESSAGE_LENGTH - 1]}…"


def as_json(results: Sequence[Result], setup: Setup) -> dict[str, Any]:
    """The report for scripts; `docs/VALIDATION.md` tells its keys."""
    return {
        "schema": SCHEMA,
        "drumVersion": __version__,
        "codeDir": setup.model.code_dir,
        "input": setup.input,
        "passed": is_passed(results),
        "checks": [_check_json(result) for result in results],
    }


def _check_json(result: Result) -> dict[str, Any]:
    failures = [
        {"feature": one.feature or None, "message": one.message, "dataset": one.dataset}
        for one in result.failures
    ]
    facts: dict[str, Any] = {
        "name": result.title,
        "status": result.status.value,
        "message": result.message,
        "seconds": round(result.seconds, 3),
        "failures": failures,
    }
    if result.columns is not None:
        facts |= {"columns": result.columns, "columnsTried": result.columns_tried}
    return facts
