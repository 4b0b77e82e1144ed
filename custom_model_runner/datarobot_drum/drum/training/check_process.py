"""The process that loads a trained model, predicts the training data, and some of it again.

A process of its own proves that the model works from its folder alone. Started by `check`.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError, SchemaViolation
from datarobot_drum.drum.model_folder import DEFAULT_TRANSFORM_SCHEMA, check_output
from datarobot_drum.drum.observability.logs import setup_logging
from datarobot_drum.drum.parent_death import end_with_group
from datarobot_drum.drum.payloads import read_table
from datarobot_drum.drum.predictors import Model, load_model
from datarobot_drum.drum.settings import Settings, wants_json_logs
from datarobot_drum.drum.training.check_job import CheckJob, CheckReport, DataFile, Difference
from datarobot_drum.drum.training.memory import peak_memory
from datarobot_drum.drum.training.tables import payload_of, sample_of, write_table

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("drum.fit")

#: How far two predictions of the same row may be apart.
RELATIVE_TOLERANCE = 0.02
ABSOLUTE_TOLERANCE = 1e-6
SHOWN_ROWS = 10


def run_check(job: CheckJob, settings: Settings) -> Difference | None:
    """Load and predict; any exception says what does not work with the trained model."""
    named = settings.model_copy(update={"target_name": job.target_name})
    model = load_model(job.model, named)
    try:
        if model.target.type is TargetType.TRANSFORM:
            _check_transform(model, job)
            return None
        return _check_predictions(model, job.features)
    finally:
        model.terminate()


def _check_transform(model: Model, job: CheckJob) -> None:
    y = None if job.target is None else read_table(payload_of(job.target))
    try:
        frame = model.transform(payload_of(job.features), y)
        if job.has_default_schema:
            check_output(frame, DEFAULT_TRANSFORM_SCHEMA.output_requirements)
    except SchemaViolation:
        if job.strict_schema:
            raise


def _check_predictions(model: Model, features: DataFile) -> Difference | None:
    whole = model.predict(payload_of(features)).frame
    sample, positions = sample_of(read_table(payload_of(features)))
    # beside the data, where it goes with them however this process ends
    data = write_table(sample, Path(features.path).with_name("sample"), features.media_type)
    second = model.predict(payload_of(data)).frame
    first = whole.iloc[positions].reset_index(drop=True)
    rows = differing_rows(first, second)
    if not rows:
        return None
    shown = rows[-SHOWN_ROWS:]
    return Difference(str(first.iloc[shown]), str(second.iloc[shown]), _kept(data))


def _kept(data: DataFile) -> str:
    """A copy of a file for the user to look at."""
    suffix = Path(data.path).suffix
    with (
        tempfile.NamedTemporaryFile(prefix="drum-fit-sample-", suffix=suffix, delete=False) as copy,
        open(data.path, "rb") as file,
    ):
        shutil.copyfileobj(file, copy)
    return copy.name


def differing_rows(first: pd.DataFrame, second: pd.DataFrame) -> list[int]:
    """Positions of the rows in which two predictions of the same data differ."""
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    if len(first) != len(second) or list(first.columns) != list(second.columns):
        return list(range(min(len(first), len(second))))
    same = np.ones(len(first), dtype=bool)
    for name in first.columns:
        one, other = pd.Series(first[name]), pd.Series(second[name])
        if is_numeric_dtype(one) and is_numeric_dtype(other):
            same &= np.isclose(
                one.to_numpy("float64"),
                other.to_numpy("float64"),
                rtol=RELATIVE_TOLERANCE,
                atol=ABSOLUTE_TOLERANCE,
                equal_nan=True,
            )
        else:
            same &= ((one == other) | (one.isna() & other.isna())).to_numpy(bool)
    return [int(position) for position in np.flatnonzero(~same)]


def main(argv: Sequence[str]) -> int:
    """Do the check that the file describes and write the report."""
    job = CheckJob.read(Path(argv[0]))
    setup_logging(job.logging_level, as_json=wants_json_logs())
    folder = Path(argv[0]).parent
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    try:
        # the command has warned of bad values
        difference = run_check(job, Settings.load(warn=False))
        report = CheckReport(peak_memory(), difference=difference)
    except (Exception, SystemExit) as error:
        report = _failed(error)
    report.write(Path(job.report))
    return 0


def _failed(error: BaseException) -> CheckReport:
    is_ours = isinstance(error, DrumError)
    text = str(error) if is_ours else repr(error)
    logger.debug("the check of the trained model failed", exc_info=error)
    return CheckReport(peak_memory(), text, error.exit_code if isinstance(error, DrumError) else 1)


def _end_with_parent(folder: Path) -> None:
    """End when the parent's end of stdin is gone, as it is after its death of any kind.

    What the model has started ends as well, and the folder with the data goes.
    """
    os.read(0, 1)  # nothing is ever written to it
    shutil.rmtree(folder, ignore_errors=True)
    end_with_group()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
