"""What a check is asked and what it answers; both travel between two processes as JSON."""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from pathlib import Path
from typing import Any

from datarobot_drum.drum.settings import ModelSpec


class Status(Enum):
    """How a check ended; only FAILED makes the command fail."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    WARNING = "WARNING"
    SKIPPED = "SKIPPED"


@dataclasses.dataclass(frozen=True)
class Setup:
    """The model and the data to check it with; `keep_in` receives datasets of failed trials."""

    model: ModelSpec
    input: str
    query: str | None = None
    content_type: str | None = None
    keep_in: str | None = None
    show_stacktrace: bool = False
    logging_level: str = "warning"

    def to_json(self) -> str:
        """The text that `from_json` reads back."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Setup:
        """The value that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        model: dict[str, Any] = fields.pop("model")
        labels = model.pop("class_labels")
        spec = ModelSpec(**model, class_labels=None if labels is None else tuple(labels))
        return cls(model=spec, **fields)


@dataclasses.dataclass(frozen=True)
class Trial:
    """One thing to try; `column` counts from 0, for the trials that look at one column."""

    name: str
    column: int = 0

    def to_json(self) -> str:
        """The text that `from_json` reads back."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Trial:
        """The value that `to_json` wrote."""
        return cls(**json.loads(text))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a trial ended, and why; `dataset` is the file that it failed on, if it was kept.

    `columns` is only told by the trial that asks for their names; after one that `is_last` the
    process ends.
    """

    status: Status
    message: str = ""
    dataset: str | None = None
    columns: tuple[str, ...] | None = None
    is_last: bool = False

    def to_json(self) -> str:
        """The text that `from_json` reads back."""
        return json.dumps({**dataclasses.asdict(self), "status": self.status.value})

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """The value that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        status, columns = Status(fields.pop("status")), fields.pop("columns")
        return cls(status, columns=None if columns is None else tuple(columns), **fields)


PASSED = Verdict(Status.PASSED)

SPARSE = "the input is a sparse matrix, its columns are not tried one by one"
UNSTRUCTURED = "the input of an unstructured model has no columns"
NOT_LOADED = "not tried: the model cannot be loaded"


def failed(message: str) -> Verdict:
    """The model would fail a user here."""
    return Verdict(Status.FAILED, message)


def warning(message: str) -> Verdict:
    """It may be meant so, but a user should know."""
    return Verdict(Status.WARNING, message)


def skipped(message: str) -> Verdict:
    """It cannot be tried."""
    return Verdict(Status.SKIPPED, message)


def kept_dataset(setup: Setup, column: int) -> Path:
    """Where the data of a failed trial is kept, in the format of the input."""
    suffix = Path(setup.input).suffix or ".csv"
    return Path(setup.keep_in or "", f"null_value_imputation_column{column}{suffix}")
