"""What the process that checks a trained model is told, and what it tells back, as JSON files."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datarobot_drum.drum.settings import ModelSpec


@dataclass(frozen=True)
class DataFile:
    """A table as a client would send it."""

    path: str
    media_type: str
    column_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class CheckJob:
    """Which model to check with which data, and where to report to.

    `target_name` is the column trained on. With `has_default_schema` a transform's result is held
    to the default rules.
    """

    model: ModelSpec
    features: DataFile
    target: DataFile | None
    target_name: str | None
    report: str
    strict_schema: bool
    has_default_schema: bool
    logging_level: str

    def write(self, path: Path) -> None:
        """Write it for `read`."""
        path.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> CheckJob:
        """What `write` wrote."""
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        model = fields.pop("model")
        labels = model.pop("class_labels")
        spec = ModelSpec(**model, class_labels=None if labels is None else tuple(labels))
        features = _data_file(fields.pop("features"))
        target = fields.pop("target")
        return cls(
            model=spec,
            features=features,
            target=None if target is None else _data_file(target),
            **fields,
        )


def _data_file(fields: dict[str, Any]) -> DataFile:
    names = fields.pop("column_names")
    return DataFile(**fields, column_names=None if names is None else tuple(names))


@dataclass(frozen=True)
class Difference:
    """Rows that were predicted twice with different results, and where they are kept."""

    first: str
    second: str
    sample: str


@dataclass(frozen=True)
class CheckReport:
    """How the check ended: peak memory in MiB, an error with its exit code, or a difference."""

    memory: float
    error: str | None = None
    exit_code: int = 1
    difference: Difference | None = None

    def write(self, path: Path) -> None:
        """Write it whole or not at all, for `read`."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> CheckReport:
        """What `write` wrote."""
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        difference = fields.pop("difference")
        return cls(**fields, difference=Difference(**difference) if difference else None)
