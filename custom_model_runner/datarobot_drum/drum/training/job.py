"""What a command line asks training for."""

from __future__ import annotations

from dataclasses import dataclass

from datarobot_drum.drum.settings import ModelSpec


@dataclass(frozen=True)
class FitJob:
    """Which folder to train, on which data, and what to do with the result.

    Paths are absolute. Without `output` the trained model is only checked and then removed;
    without `num_rows` all rows are used.
    """

    model: ModelSpec
    input: str
    output: str | None = None
    target: str | None = None
    target_csv: str | None = None
    row_weights: str | None = None
    row_weights_csv: str | None = None
    sparse_column_file: str | None = None
    parameter_file: str | None = None
    num_rows: int | None = None
    skip_predict: bool = False
    strict_schema: bool = True
    writes_runtime_data: bool = False
    strict_exit: bool = False
    verbose: bool = False
    logging_level: str = "warning"
