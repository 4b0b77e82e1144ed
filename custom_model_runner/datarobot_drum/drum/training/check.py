"""Predicts with a trained model in a fresh process and tells whether it agrees with itself."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.errors import DrumError, SchemaViolation
from datarobot_drum.drum.payloads import media_type_for_file
from datarobot_drum.drum.training.check_job import CheckJob, CheckReport, DataFile, Difference
from datarobot_drum.drum.training.data import TrainingData
from datarobot_drum.drum.training.tables import write_table

if TYPE_CHECKING:
    from datarobot_drum.drum.settings import ModelSpec
    from datarobot_drum.drum.training.job import FitJob

logger = logging.getLogger("drum.fit")

PROCESS = "datarobot_drum.drum.training.check_process"
STDERR = 2
#: Seconds that the process has to end after SIGTERM.
GRACE = 5


def check_predictions(
    spec: ModelSpec,
    data: TrainingData,
    job: FitJob,
    *,
    target_name: str | None,
    has_default_schema: bool,
    timeout: float | None,
) -> CheckReport:
    """Predict the training data and a sample of it again, with the model in `spec.code_dir`.

    Raises DrumError (SchemaViolation with its exit code 3) when the model cannot be loaded or
    cannot predict; a difference is only in the report.
    """
    with tempfile.TemporaryDirectory(prefix="drum-fit-check-") as name:
        folder = Path(name)
        check = CheckJob(
            model=spec,
            features=write_table(data.features, folder / "X", _media_type(job.input)),
            target=_target_file(data, job, folder),
            report=str(folder / "report.json"),
            strict_schema=job.strict_schema,
            target_name=target_name,
            has_default_schema=has_default_schema,
            logging_level=job.logging_level,
        )
        report = _run(check, folder, timeout)
    if report.error is not None:
        if report.exit_code == SchemaViolation.exit_code:
            raise SchemaViolation(report.error)
        raise DrumError(f"Failure in predict server: {report.error}")
    return report


def tell_difference(difference: Difference) -> str:
    """The warning about predictions that are not the same when they are made again."""
    return (
        "Your predictions were different when we tried to predict twice.\n"
        f"The last predictions from the main predict run that differ were:\n{difference.first}\n"
        f"However when we reran predictions on the same data, we got:\n{difference.second}\n"
        "The sample used to calculate prediction reruns can be found in this file: "
        f"{difference.sample}"
    )


def _media_type(path: str) -> str:
    return media_type_for_file(path)[0]


def _target_file(data: TrainingData, job: FitJob, folder: Path) -> DataFile | None:
    if data.target is None:
        return None
    source = job.target_csv or job.input
    return write_table(data.target.to_frame(), folder / "y", _media_type(source))


def _run(check: CheckJob, folder: Path, timeout: float | None) -> CheckReport:
    path, report = folder / "check.json", Path(check.report)
    check.write(path)
    with _process(path) as process:
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise DrumError(
                f"the check of predictions took longer than {timeout:g} s; raise "
                "DRUM_FIT_CHECK_TIMEOUT, or skip it with --skip-predict"
            ) from None
    if report.exists():
        return CheckReport.read(report)
    end = f"of signal {-code}" if code < 0 else f"with exit code {code}"
    return CheckReport(0, f"the process that predicts ended {end}; its output is above")


@contextmanager
def _process(path: Path) -> Iterator[subprocess.Popen[Any]]:
    """The process in a session of its own; no process of it is left at the end.

    It ends by itself when this process dies: then its stdin is closed. `-P` keeps the working
    directory off its import path.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", PROCESS, str(path)],
        stdin=subprocess.PIPE,
        stdout=STDERR,
        start_new_session=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        # the group may outlive the process that was waited for
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    process.communicate()  # closes its stdin
